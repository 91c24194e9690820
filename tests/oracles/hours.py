"""Is a PIN asked, why, and until when: answered by looking at every minute, one after the other.

The rules are the shipped ones. A PIN is asked from 18:30 to 08:00 and from 13:00 to 14:00 on the wall clock
of Rome (at 18:30:00 it is, at 08:00:00 it is not), and all day on Saturdays, Sundays and public holidays, the
patron of Trento among them. A special day has open stretches of its own and asks for a PIN in the rest of
the day, whatever else the date would be. An edge that a daylight-saving night skips counts at the end of the
skipped stretch; one that it shows twice counts the first time.

All edges stand on whole minutes, so the minute an instant lies in decides.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from .rome import passed, wall

MINUTE = timedelta(minutes=1)

# Written out by hand: Easter 2026 is 5 April; 4 October is a national holiday from 2026 on.
HOLIDAYS = {
    date(2025, 12, 25): "Natale",
    date(2025, 12, 26): "Santo Stefano",
    date(2026, 1, 1): "Capodanno",
    date(2026, 1, 6): "Epifania",
    date(2026, 4, 5): "Pasqua",
    date(2026, 4, 6): "Lunedì dell'Angelo",
    date(2026, 4, 25): "Anniversario della Liberazione",
    date(2026, 5, 1): "Festa del Lavoro",
    date(2026, 6, 2): "Festa della Repubblica",
    date(2026, 6, 26): "San Vigilio",
    date(2026, 8, 15): "Assunzione della Beata Vergine Maria",
    date(2026, 10, 4): "Festa nazionale di San Francesco d'Assisi, patrono d'Italia",
    date(2026, 11, 1): "Ognissanti",
    date(2026, 12, 8): "Immacolata Concezione",
    date(2026, 12, 25): "Natale",
    date(2026, 12, 26): "Santo Stefano",
    date(2027, 1, 1): "Capodanno",
    date(2027, 1, 6): "Epifania",
}
FIRST_DAY, LAST_DAY = date(2025, 12, 24), date(2027, 3, 27)  # the list above is complete between these

Stretch = tuple[str, str]  # ("08:00", "13:00"), half-open; "24:00" is the end of the day
SpecialDays = Mapping[date, Iterable[Stretch]]


class Answer(NamedTuple):
    """What holds at an instant; `until` is the first later instant at which `pin` is different."""

    at: datetime
    pin: bool
    reason: str
    name: str | None
    until: datetime


def look(instant: datetime, special_days: SpecialDays | None = None) -> tuple[bool, str, str | None]:
    """`pin`, `reason` and the holiday's name in the minute that holds `instant`."""
    today = wall(instant).date()
    if not FIRST_DAY <= today <= LAST_DAY:
        raise ValueError(f"no holidays are written down for {today}")
    time = passed(instant).strftime("%H:%M")
    if special_days is not None and today in special_days:
        return not any(opens <= time < closes for opens, closes in special_days[today]), "special-day", None
    if today in HOLIDAYS:
        return True, "holiday", HOLIDAYS[today]
    if today.isoweekday() in (6, 7):
        return True, "closed-day", None
    if time >= "18:30" or time < "08:00":
        return True, "night", None
    if "13:00" <= time < "14:00":
        return True, "lunch", None
    return False, "open", None


def walk(first: datetime, last: datetime, special_days: SpecialDays | None = None) -> Iterator[Answer]:
    """The answer for every minute from `first` to `last`, both included; `first` is a whole minute."""
    instant = first.astimezone(UTC)
    seen = [(instant, *look(instant, special_days))]
    asked = seen[0][1]
    while instant <= last or seen[-1][1] == asked:  # beyond the end, until the last minute's `until` is known
        instant += MINUTE
        seen.append((instant, *look(instant, special_days)))
        if instant <= last:
            asked = seen[-1][1]
    untils = [seen[-1][0]] * len(seen)
    for index in range(len(seen) - 2, -1, -1):
        here, after = seen[index], seen[index + 1]
        untils[index] = untils[index + 1] if here[1] == after[1] else after[0]
    for (at, pin, reason, name), until in zip(seen, untils, strict=True):
        if at > last:
            return
        yield Answer(at, pin, reason, name, until)


def answer(instant: datetime, special_days: SpecialDays | None = None) -> Answer:
    """The answer for one instant, seconds and all."""
    minute = instant.astimezone(UTC).replace(second=0, microsecond=0)
    return next(walk(minute, minute, special_days))._replace(at=instant)
