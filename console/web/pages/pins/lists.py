"""The list of PINs, and the record of one with all that befell it. Revoking, which cannot wait."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.web.context import at, house, reading, user, writing
from console.web.ids import ID, number
from console.web.pages.pins.common import Answer, area, reason_of, refusal
from console.web.render import is_fragment, page, to
from console.web.shown import pins as shown
from pins import registry
from pins.customers import RegistryRefusal, clean
from pins.pin_list import Which
from pins.registry import UnknownPin


@area.page("/pins", May.SEE)
def index() -> str:
    given = request.args
    which = Which(given["which"]) if given.get("which") in list(Which) else Which.LIVE
    text = clean(given.get("q", ""))[:100]
    after, before = number(given.get("after")), number(given.get("before"))
    with reading() as connection:
        found = shown.index(connection, house(), at(), which, text, after=after, before=before)
    return page("pins/list.html" if is_fragment() else "pins/index.html", found=found, which=which, q=text)


@area.page(f"/pins/<{ID}:pin_id>", May.SEE)
def show(pin_id: int) -> str:
    return _show(pin_id)


@area.page(f"/pins/<{ID}:pin_id>/revoke", May.REVOKE_PINS, post=True)
def revoke(pin_id: int) -> Answer:
    reason = reason_of(request.form)
    try:
        with writing() as connection:
            registry.revoke(connection, user().actor, at(), pin_id, reason or None)
    except RegistryRefusal as refused:
        return _show(pin_id, refusal(refused)), 422
    return to("pins.show", "pins.revoked", pin_id=pin_id)


def _show(pin_id: int, refused: str = "") -> str:
    try:
        with reading() as connection:
            found = shown.one(connection, house(), at(), pin_id)
    except UnknownPin:
        raise NotFound from None
    return page("pins/show.html", found=found, refused=refused)
