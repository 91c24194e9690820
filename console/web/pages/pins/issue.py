"""A PIN issued or rotated: it is shown on the page that answers, which offers its letter. Nowhere else.

What makes the letter afterwards is a ticket that only that page has: the PIN, sealed, good for an hour.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Response, request
from werkzeug.exceptions import NotFound

from console import issuing
from console.access import keys
from console.access.roles import May
from console.issuing import KeysUnfit
from console.outbound import letter_mail
from console.web.context import SentBefore, at, house, reading, user, words, writing
from console.web.ids import ID
from console.web.pages.pins.common import Answer, area, day_of, opened, reason_of, refusal, today
from console.web.render import is_fragment, page
from console.web.shown import pins as shown
from pins import customer_list, customers, letters, registry
from pins.customer_list import Wanted
from pins.customers import RegistryRefusal, UnknownCustomer
from pins.letters import Letter, LetterRefused, wants_email
from pins.registry import NewPin, UnknownPin
from storage import audit

# For so long after its issue the page that shows a PIN can make its letter.
TICKET, GOOD_FOR = "pin-letter", timedelta(hours=1)
MOST_OVERLAP = 90
FEWEST_SHOWN = 20


@area.page("/pins/new", May.ISSUE_PINS)
def new() -> Answer:
    code = request.args.get("customer", "")
    if code:
        return _form(code)
    text = customers.clean(request.args.get("q", ""))[:100]
    wanted = Wanted(today(), opened(), text)
    with reading() as connection:
        found = customer_list.page(connection, wanted, limit=FEWEST_SHOWN)
    return page("pins/choose-list.html" if is_fragment() else "pins/choose.html", found=found, q=text)


@area.page("/pins/new", May.ISSUE_PINS, post=True)
def issue() -> Answer:
    given = request.form
    code, label = given.get("customer", ""), given.get("label", "")
    reason = reason_of(given)
    try:
        expires = day_of(given.get("expires", ""))
    except ValueError:
        return _form(code, wrong={"expires": words()("pins.refused-day")}), 422
    if expires is not None and expires < today():
        return _form(code, wrong={"expires": words()("pins.refused-past")}), 422

    def take(drawn: NewPin) -> int:
        with writing(once=True) as connection:
            return registry.issue(
                connection,
                user().actor,
                at(),
                code,
                drawn,
                label=label,
                expires=expires,
                reason=reason,
                opened=opened(),
            )

    try:
        with reading() as connection:
            customers.customer(connection, code)
            length = registry.length_of_next(connection, opened())
        pin_id, drawn = issuing.drawn_and_taken(issuing.index_of(house(), at()), length, take)
    except registry.LabelTooLong as refused:
        return _form(code, wrong={"label": refusal(refused)}), 422
    except (RegistryRefusal, KeysUnfit) as refused:
        return _form(code, refused=refusal(refused)), 422
    except SentBefore:
        return page("pins/twice.html", code=code), 409
    return _answer(pin_id, drawn)


@area.page(f"/pins/<{ID}:pin_id>/rotate", May.ISSUE_PINS)
def rotation(pin_id: int) -> Answer:
    return _rotation(pin_id)


@area.page(f"/pins/<{ID}:pin_id>/rotate", May.ISSUE_PINS, post=True)
def rotate(pin_id: int) -> Answer:
    given = request.form
    days = given.get("overlap", -1, type=int)
    if not 0 <= days <= MOST_OVERLAP:
        return _rotation(pin_id, wrong={"overlap": words()("pins.refused-overlap", most=MOST_OVERLAP)}), 422
    reason = reason_of(given)

    def take(drawn: NewPin) -> int:
        with writing(once=True) as connection:
            return registry.rotate(
                connection,
                user().actor,
                at(),
                pin_id,
                drawn,
                days,
                today(),
                reason,
                expires=issuing.last_day_by_age(house().configuration, at()),
                opened=opened(),
            )

    try:
        with reading() as connection:
            code = registry.rotatable(connection, pin_id, today()).customer
            length = registry.length_of_next(connection, opened())
        new_id, drawn = issuing.drawn_and_taken(issuing.index_of(house(), at()), length, take)
    except (RegistryRefusal, KeysUnfit) as refused:
        return _rotation(pin_id, refused=refusal(refused)), 422
    except SentBefore:
        return page("pins/twice.html", code=code), 409
    return _answer(new_id, drawn)


# -- its letter ----------------------------------------------------------------------------------


@area.page("/pins/letter", May.ISSUE_PINS, post=True)
def letter() -> Answer:
    """The letter of a PIN just issued, as a file that is stored nowhere here."""
    try:
        made = _letter()
        content = issuing.render(house().configuration)([made])
    except (RegistryRefusal, KeysUnfit, LetterRefused) as refused:
        return _refused(refusal(refused))
    with writing() as connection:
        audit.record(connection, user().actor, at(), "pin.letter", f"pin:{made.pin_id}")
    name = f"PIN-{made.customer.code}-{made.pin_id}.pdf"
    return Response(
        content,
        mimetype="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@area.page("/pins/letter/email", May.ISSUE_PINS, post=True)
def email() -> Answer:
    """The same by e-mail, to a customer who agreed to it: sealed in the outbox until it is delivered."""
    try:
        made = _letter()
        queue = letter_mail.post(house().configuration, at())(made)
        if queue is None:
            return _refused(words()("pins.refused-email"))
        with writing(once=True) as connection:
            queue(connection)
            audit.record(
                connection, user().actor, at(), "pin.letter", f"pin:{made.pin_id}", details={"by": "email"}
            )
    except (RegistryRefusal, KeysUnfit, LetterRefused) as refused:
        return _refused(refusal(refused))
    except SentBefore:
        pass  # it is under way, and that is what is said
    return page("pins/mailed-part.html" if is_fragment() else "pins/mailed.html", address=made.customer.email)


# -- small parts -------------------------------------------------------------------------------


def _form(code: str, *, wrong: dict[str, str] | None = None, refused: str = "") -> str:
    """The form of an issue, with what was typed if it was sent before."""
    given = request.form if request.method == "POST" else request.args
    by_age = issuing.last_day_by_age(house().configuration, at())
    try:
        with reading() as connection:
            found = shown.of_customer(connection, house(), at(), code)
    except UnknownCustomer:
        raise NotFound from None
    return page(
        "pins/new.html",
        found=found,
        given=given,
        expires=given.get("expires", by_age.isoformat() if by_age else ""),
        today=today(),
        wrong=wrong or {},
        refused=refused,
    )


def _rotation(pin_id: int, *, wrong: dict[str, str] | None = None, refused: str = "") -> str:
    given = request.form if request.method == "POST" else request.args
    try:
        with reading() as connection:
            found = shown.one(connection, house(), at(), pin_id)
    except UnknownPin:
        raise NotFound from None
    return page(
        "pins/rotate.html",
        found=found,
        given=given,
        overlap=given.get("overlap", str(house().configuration.pins.overlap_days)),
        most=MOST_OVERLAP,
        wrong=wrong or {},
        refused=refused,
    )


def _answer(pin_id: int, drawn: NewPin) -> str:
    """The one page on which the PIN stands."""
    configuration = house().configuration
    with reading() as connection:
        record = registry.pin(connection, pin_id)
        owner = customers.customer(connection, record.customer)
        old = registry.replaced_by(connection, pin_id, today())
    ticket = keys.ticket(configuration, TICKET, at() + GOOD_FOR, pin=drawn.pin, id=str(pin_id))
    return page(
        "pins/issued.html",
        pin=record,
        groups=letters.groups(drawn.pin),
        digits=drawn.pin,
        owner=owner,
        old=old,
        ticket=ticket,
        by_email=bool(configuration.mail.host) and wants_email(owner),
        mail_missing=not configuration.mail.host,
    )


def _letter() -> Letter:
    """Raises NotThisPin for a ticket that is not ours or too old, and what `issuing.letter_of` raises."""
    configuration = house().configuration
    held = keys.read_ticket(configuration, TICKET, at(), request.form.get("ticket", ""))
    if not held:
        raise issuing.NotThisPin(0)
    return issuing.letter_of(house(), at(), int(held["id"]), held["pin"])


def _refused(text: str) -> Answer:
    return page("pins/refused-part.html" if is_fragment() else "pins/refused.html", text=text), 422
