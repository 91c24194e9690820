"""PINs for many customers, or new ones in the place of many: what would be done, and its work begun."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from console import issuing
from console.access.roles import May
from console.web import jobs, work_files
from console.web.context import at, house, reading, user, words, writing
from console.web.ids import numbers
from console.web.letter_runs import Wanted
from console.web.pages.pins.common import Answer, area, day_of, opened, reason_of, today
from console.web.pages.pins.issue import MOST_OVERLAP
from console.web.render import page, to
from console.web.shown import pin_orders
from pins import customer_list
from pins.customer_card import Standing, clean

# The lengths a PIN may have.
LENGTHS = range(9, 17)


@area.page("/pins/several", May.ISSUE_PINS)
def several() -> str:
    return _several(request.args)


@area.page("/pins/several", May.ISSUE_PINS, post=True)
def issue_several() -> Answer:
    given = request.form
    wrong = {}
    try:
        expires = day_of(given.get("expires", ""))
    except ValueError:
        expires, wrong["expires"] = None, words()("pins.refused-day")
    if expires is not None and expires < today():
        wrong["expires"] = words()("pins.refused-past")
    if wrong:
        return _several(given, wrong), 422
    asked = _asked(given)
    with reading() as connection:
        customers = customer_list.ids_of(connection, asked.condition(today(), opened()))
    if not customers:
        return _several(given, refused=words()("pins.refused-nobody")), 422
    missing = not (asked.chosen or asked.by_filter)
    wanted = Wanted(
        "missing" if missing else "issue",
        customers=() if missing else tuple(customers),
        reason=reason_of(given),
        expires=expires,
        email=_email(given),
    )
    return _begin(wanted)


@area.page("/pins/rotate", May.ISSUE_PINS)
def rotation_of_many() -> str:
    return _rotation(request.args)


@area.page("/pins/rotate", May.ISSUE_PINS, post=True)
def rotate_many() -> Answer:
    given = request.form
    overlap = given.get("overlap", -1, type=int)
    if not 0 <= overlap <= MOST_OVERLAP:
        text = words()("pins.refused-overlap", most=MOST_OVERLAP)
        return _rotation(given, {"overlap": text}), 422
    pins, shorter_than = _pins(given), _shorter_than(given)
    with reading() as connection:
        count = pin_orders.rotation(connection, house(), at(), pins, shorter_than).found.count
    if not count:
        return _rotation(given, refused=words()("pins.refused-none-to-rotate")), 422
    wanted = Wanted(
        "rotate",
        pins=None if pins is None else tuple(sorted(pins)),
        shorter_than=shorter_than,
        overlap=overlap,
        reason=reason_of(given),
        expires=issuing.last_day_by_age(house().configuration, at()),
        email=_email(given),
    )
    return _begin(wanted)


# -- small parts -------------------------------------------------------------------------------


def _begin(wanted: Wanted) -> Answer:
    """Have it done. A folder whose row is never written is swept."""
    folder, _ = work_files.make(house())
    asked = wanted.written(folder, work_files.new_key())
    with writing(once=True) as connection:
        job = jobs.ask(connection, at(), user(), "letters", asked, work_files.place(house()))
    return to("work.show", job_id=job)


def _several(given: Mapping[str, str], wrong: Mapping[str, str] | None = None, refused: str = "") -> str:
    asked = _asked(given)
    by_age = issuing.last_day_by_age(house().configuration, at())
    with reading() as connection:
        found = pin_orders.several(connection, asked, today(), opened())
    return page(
        "pins/several.html",
        asked=asked,
        found=found,
        given=given,
        expires=given.get("expires", by_age.isoformat() if by_age else ""),
        today=today(),
        mail=bool(house().configuration.mail.host),
        wrong=wrong or {},
        refused=refused,
    )


def _rotation(given: Mapping[str, str], wrong: Mapping[str, str] | None = None, refused: str = "") -> str:
    pins, shorter_than = _pins(given), _shorter_than(given)
    with reading() as connection:
        found = pin_orders.rotation(connection, house(), at(), pins, shorter_than)
    return page(
        "pins/rotate-many.html",
        found=found,
        chosen=sorted(pins or ()),
        every=pins is None,
        shorter_than=shorter_than,
        lengths_offered=LENGTHS,
        given=given,
        overlap=given.get("overlap", str(house().configuration.pins.overlap_days)),
        most=MOST_OVERLAP,
        mail=bool(house().configuration.mail.host),
        wrong=wrong or {},
        refused=refused,
    )


def _asked(given: Mapping[str, str]) -> pin_orders.Asked:
    """Whom a form or an address means: those chosen, those a filter of the list finds, or all without."""
    chosen = numbers(request.values.getlist("customer"))
    standing = given.get("standing", "")
    return pin_orders.Asked(
        tuple(chosen),
        by_filter=bool(given.get("filter")),
        text=clean(given.get("q", ""))[: customer_list.LONGEST_TEXT],
        standing=Standing(standing) if standing in list(Standing) else None,
        no_pin=given.get("pin") == "none",
    )


def _pins(given: Mapping[str, str]) -> frozenset[int] | None:
    """The PINs that were chosen; None: all of them."""
    chosen = numbers(request.values.getlist("pin"))
    return frozenset(chosen) if chosen or given.get("chosen") else None


def _shorter_than(given: Mapping[str, str]) -> int | None:
    text = given.get("shorter-than", "")
    return int(text) if text in {str(each) for each in LENGTHS} else None


def _email(given: Mapping[str, str]) -> bool:
    return bool(given.get("email")) and bool(house().configuration.mail.host)
