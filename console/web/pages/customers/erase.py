"""A customer erased: shown what goes with him, confirmed by his code, done in one act."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import NotFound

from console import erasure
from console.access.roles import May
from console.web.context import at, house, reading, user, words
from console.web.pages.customers.common import Answer, area, customer_of
from console.web.render import page
from console.web.shown import customers as shown
from pins.customers import UnknownCustomer


@area.page("/customers/<code>/erase", May.CHANGE_CUSTOMERS)
def erasing(code: str) -> str:
    return _erasing(code)


@area.page("/customers/<code>/erase", May.CHANGE_CUSTOMERS, post=True)
def erase(code: str) -> Answer:
    customer = customer_of(code)
    typed = request.form.get("code", "").strip()
    if typed.upper() != customer.code:
        return _erasing(code, words()("customers.erase-code-wrong", code=customer.code)), 422
    try:
        erased = erasure.erase(house(), user().actor, at(), customer.code)
    except UnknownCustomer:
        raise NotFound from None
    return page("customers/erased.html", erased=erased)


def _erasing(code: str, wrong: str = "") -> str:
    try:
        with reading() as connection:
            found = shown.belongings(connection, code)
    except UnknownCustomer:
        raise NotFound from None
    return page("customers/erase.html", found=found, wrong=wrong)
