"""What the pages of customers share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console import issuing
from console.web.area import Area
from console.web.context import at, house, reading, words
from pins import customers
from pins.customer_card import Fault
from pins.customers import CodeTaken, Customer, FieldRefused, PhoneTaken, RegistryRefusal, UnknownCustomer

area = Area("customers")
Answer = AnyResponse | str | tuple[str, int]


def today() -> date:
    return issuing.today(house().configuration, at())


def opened() -> date:
    """The day on which the office last opened."""
    return issuing.last_opening(house().configuration, at())


def customer_of(code: str) -> Customer:
    """Raises NotFound."""
    try:
        with reading() as connection:
            return customers.customer(connection, code)
    except UnknownCustomer:
        raise NotFound from None


def fault_of(refused: RegistryRefusal) -> Fault:
    """Which field a refusal is about, and why. Raises NotFound for a customer who is gone."""
    match refused:
        case FieldRefused():
            return refused.fault
        case CodeTaken():
            return Fault("code", "", "code-taken", {"code": refused.code})
        case PhoneTaken():
            return Fault("phones", "", "phone-taken", {"phone": refused.phone, "code": refused.code})
        case UnknownCustomer():
            raise NotFound
    return Fault("", "", "other")


def said(reason: str, given: Mapping[str, object]) -> str:
    """What is wrong, in words."""
    facts = {name: words().number(each) if isinstance(each, int) else each for name, each in given.items()}
    return words().maybe(f"customers.fault-{reason}", words()("customers.fault-other"), **facts)
