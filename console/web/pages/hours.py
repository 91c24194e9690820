"""The hours: a year at a glance, each day in words, and what would happen to a call at any instant."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from flask import request
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.web.area import Area
from console.web.context import at, house, reading, words
from console.web.render import is_fragment, page
from console.web.shown import hours as shown
from console.web.shown.hours import FIRST_YEAR, LAST_YEAR, Group
from ivr.settings import DAYS
from oncall.rota.wallclock import candidates, choices

area = Area("hours")


@area.page("/hours", May.SEE)
def year() -> str:
    configuration = house().configuration
    zone, rules, today = configuration.zone, configuration.hours, words().local(at()).date()
    found, group = _groups()
    chosen = _year()
    first = date(chosen, 1, 1) if chosen else today.replace(day=1)
    return page(
        "hours/year.html",
        groups=found,
        group=group,
        chosen=chosen,
        year=shown.twelve_months(group.hours, zone, first),
        today=today,
        years=[each for each in range(today.year - 1, today.year + 4) if FIRST_YEAR <= each <= LAST_YEAR],
        windows=rules.pin_windows,
        closed_days=[words()(f"time.weekday-{DAYS.index(each) + 1}") for each in rules.closed_days],
        numbers=configuration.number,
        form={},
    )


@area.page("/hours/day/<day>", May.SEE)
def day(day: str) -> str:
    chosen = _day(day)
    found, group = _groups()
    with reading() as connection:
        one = shown.one_day(connection, group, chosen)
    template = "hours/_day.html" if is_fragment() else "hours/day.html"
    before, after = (chosen + ahead * timedelta(days=1) for ahead in (-1, 1))
    return page(
        template,
        one=one,
        twice=_twice,
        groups=found,
        group=group,
        before=before if shown.in_reach(before) else None,
        after=after if shown.in_reach(after) else None,
    )


@area.page("/hours/instant", May.SEE)
def instant() -> str | tuple[str, int]:
    configuration = house().configuration
    form = {name: request.args.get(name, "").strip() for name in ("date", "time", "number", "which")}
    number = form["number"] or configuration.our_numbers[0]
    wall = shown.typed(form["date"], form["time"])
    wrong = {}
    if wall is None:
        wrong["date"] = "hours.wrong-instant"
    if number not in configuration.our_numbers:
        wrong["number"] = "hours.wrong-number"
    told: dict[str, object] = {"form": form | {"number": number}, "numbers": configuration.number}
    if wall is None or wrong:
        return page("hours/instant.html", wrong=wrong, **told), 422
    meant = choices(wall, configuration.zone)
    if len(meant) == 2 and form["which"] in ("0", "1"):
        meant = [meant[int(form["which"])]]
    if len(meant) == 2:
        twice = bool(candidates(wall, configuration.zone))
        return page("hours/instant.html", meant=meant, twice=twice, **told)
    with reading() as connection:
        answer = shown.explain(connection, configuration, number, meant[0])
    return page("hours/instant.html", answer=answer, **told)


def _twice(instant: datetime) -> bool:
    """Whether the clocks show this time of day twice."""
    return len(candidates(words().local(instant).replace(tzinfo=None), house().configuration.zone)) == 2


def _groups() -> tuple[list[Group], Group]:
    found = shown.groups(house().configuration)
    group = shown.group_of(found, request.args.get("number", ""))
    if group is None:
        raise NotFound
    return found, group


def _year() -> int | None:
    """The year that was asked for; None: the twelve months from now. Raises NotFound: out of reach."""
    asked = request.args.get("year", "").strip()
    if not asked:
        return None
    if not (asked.isascii() and asked.isdigit() and FIRST_YEAR <= int(asked[:6]) <= LAST_YEAR):
        raise NotFound
    return int(asked[:6])


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise NotFound from None
    if not shown.in_reach(found):
        raise NotFound
    return found
