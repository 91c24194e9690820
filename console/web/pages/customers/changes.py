"""A customer added, his file changed, his contract ended."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from console.access.roles import May
from console.web import customer_form
from console.web.context import at, house, user, words, writing
from console.web.pages.customers.common import Answer, area, customer_of, fault_of, said, today
from console.web.render import page, to
from pins import customers
from pins.customer_card import COVERAGES, LANGUAGES, Contract, Fault
from pins.customers import Customer, RegistryRefusal

LONGEST_REASON = 500


@area.page("/customers/new", May.CHANGE_CUSTOMERS)
def new() -> str:
    return _form(None, {"coverage": "contract", **request.args.to_dict()})


@area.page("/customers/new", May.CHANGE_CUSTOMERS, post=True)
def add() -> Answer:
    given = request.form
    filled = customer_form.read(given, house().configuration, None)
    if filled.faults:
        return _form(None, given, filled.faults), 422
    fields = filled.fields
    contract = Contract(
        *(fields[name] for name in ("coverage", "contract_from", "contract_until", "minutes"))
    )
    rest = ("spoken_name", "language", "phones", "sites", "address", "email", "letters_by_email", "notes")
    try:
        with writing(once=True) as connection:
            added = customers.add_customer(
                connection,
                user().actor,
                at(),
                fields["name"],
                code=fields["code"] or None,
                contract=contract,
                **{name: fields[name] for name in rest},
            )
    except RegistryRefusal as refused:
        return _form(None, given, {fault_of(refused).field: fault_of(refused)}), 422
    return to("customers.show", "customers.added", code=added.code)


@area.page("/customers/<code>/change", May.CHANGE_CUSTOMERS)
def edit(code: str) -> str:
    customer = customer_of(code)
    return _form(customer, customer_form.shown(customer))


@area.page("/customers/<code>/change", May.CHANGE_CUSTOMERS, post=True)
def change(code: str) -> Answer:
    """What was sent replaces the file, unless somebody has changed it since the form was shown: minutes are
    used up meanwhile, too.
    """
    customer, given = customer_of(code), request.form
    filled = customer_form.read(given, house().configuration, customer)
    if filled.faults:
        return _form(customer, given, filled.faults, given.get("version")), 422
    fields = filled.fields | {"code": filled.fields["code"] or customer.code}
    try:
        with writing() as connection:
            now = customers.customer(connection, code)
            quicker = customer_form.version(now) != given.get("version")
            if not quicker:
                now = customers.change(connection, user().actor, at(), code, **fields)
    except RegistryRefusal as refused:
        return _form(customer, given, {fault_of(refused).field: fault_of(refused)}, given.get("version")), 422
    if quicker:
        return _form(now, given, quicker=True), 409
    return to("customers.show", "customers.changed", code=now.code)


@area.page("/customers/<code>/end", May.CHANGE_CUSTOMERS)
def ending(code: str) -> str:
    return _ending(customer_of(code), today().isoformat())


@area.page("/customers/<code>/end", May.CHANGE_CUSTOMERS, post=True)
def end(code: str) -> Answer:
    customer, given = customer_of(code), request.form
    reason = customers.clean(given.get("reason", ""))[:LONGEST_REASON]
    filled = customer_form.read({"contract-until": given.get("on", "")}, house().configuration, customer)
    on = filled.fields.get("contract_until")
    if on is None:
        return _ending(customer, given.get("on", ""), Fault("", "", "no-day", {"cell": ""})), 422
    try:
        with writing() as connection:
            customers.end(connection, user().actor, at(), code, on, reason or None)
    except RegistryRefusal as refused:
        return _ending(customer, given.get("on", ""), fault_of(refused)), 422
    return to("customers.show", "customers.ended", code=customer.code)


# -- small parts -------------------------------------------------------------------------------


def _form(
    customer: Customer | None,
    given: Mapping[str, str],
    faults: Mapping[str, Fault] | None = None,
    version: str | None = None,
    *,
    quicker: bool = False,
) -> str:
    wrong = {
        field.replace("_", "-"): said(fault.reason, fault.facts) for field, fault in (faults or {}).items()
    }
    refused = ""
    if quicker:
        refused = words()("customers.quicker")
    elif wrong:
        refused = words().count("customers.faults", len(wrong))
    if customer is not None and version is None:
        version = customer_form.version(customer)
    return page(
        "customers/form.html",
        customer=customer,
        given=given,
        wrong=wrong,
        version=version,
        language_choices=[(each, words()(f"customers.language-{each}")) for each in LANGUAGES],
        coverage_choices=[(each, words()(f"customers.coverage-{each}")) for each in COVERAGES],
        refused=refused,
    )


def _ending(customer: Customer, on: str, fault: Fault | None = None) -> str:
    wrong = said(fault.reason, fault.facts) if fault else ""
    return page("customers/end.html", customer=customer, on=on, wrong=wrong, given=request.form)
