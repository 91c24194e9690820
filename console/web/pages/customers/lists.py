"""Customers found as one types, one of them with all that belongs to him, and what is held as files."""

from __future__ import annotations

import json

from flask import Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console import holdings
from console.access.roles import May
from console.web.context import at, house, reading, user, writing
from console.web.ids import number
from console.web.pages.customers.common import area, customer_of, opened, today
from console.web.render import is_fragment, page
from console.web.shown import customers as shown
from pins import customer_import, customer_list, customers
from pins.customer_card import Standing
from pins.customer_list import Wanted
from pins.customers import UnknownCustomer
from storage import audit


@area.page("/customers", May.SEE)
def index() -> str:
    given = request.args
    standing = given.get("standing", "")
    wanted = Wanted(
        today(),
        opened(),
        customers.clean(given.get("q", ""))[: customer_list.LONGEST_TEXT],
        Standing(standing) if standing in list(Standing) else None,
        no_pin=given.get("pin") == "none",
    )
    with reading() as connection:
        found = customer_list.page(
            connection, wanted, after=given.get("after", "")[:32], before=given.get("before", "")[:32]
        )
    narrowed = {
        "q": wanted.text or None,
        "standing": wanted.standing,
        "pin": "none" if wanted.no_pin else None,
    }
    return page(
        "customers/list.html" if is_fragment() else "customers/index.html",
        found=found,
        wanted=wanted,
        narrowed=narrowed,
    )


@area.page("/customers/<code>", May.SEE)
def show(code: str) -> str:
    try:
        with reading() as connection:
            found = shown.one(connection, house(), at(), code)
    except UnknownCustomer:
        raise NotFound from None
    return page("customers/show.html", found=found, day=today())


@area.page("/customers/<code>/history", May.SEE)
def history(code: str) -> str:
    try:
        with reading() as connection:
            found = shown.history(connection, code, number(request.args.get("before")))
    except UnknownCustomer:
        raise NotFound from None
    return page("customers/history.html", found=found)


@area.page("/customers/<code>/export", May.EXPORT, post=True)
def export_one(code: str) -> AnyResponse:
    """Everything that is held about one, for himself to read. It is noted who took it out."""
    customer = customer_of(code)
    with reading() as connection:
        document = holdings.of_customer(house(), connection, customer.code)
    text = json.dumps(document, ensure_ascii=False, default=str, indent=2)
    with writing() as connection:
        audit.record(connection, user().actor, at(), "customer.export", customers.subject(customer.id))
    return _download(text.encode(), f"{customer.code}.json", "application/json")


@area.page("/customers/export", May.EXPORT, post=True)
def export() -> AnyResponse:
    """All customers as the sheet that the import reads, for programs or for a spreadsheet."""
    for_spreadsheet = bool(request.form.get("spreadsheet"))
    with reading() as connection:
        found = customers.all_customers(connection)
    text = customer_import.export(found, for_spreadsheet=for_spreadsheet)
    with writing() as connection:
        told = {"customers": len(found)}
        audit.record(connection, user().actor, at(), "customer.export", "customers", details=told)
    return _download(text.encode(), "customers.csv", "text/csv; charset=utf-8")


def _download(content: bytes, name: str, kind: str) -> AnyResponse:
    return Response(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
