"""What a plan means before it is made: shares of the load, the next turns, who is told of a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from making import NIGHT, ROME, ROTA, rome

from oncall.rota import foresight, rota_file, shares
from oncall.rota.foresight import Telling
from oncall.rota.rota import Book, Override, Version
from oncall.settings import NoticeSettings

RULES = rota_file.to_rules(rota_file.to_document(rota_file.read(ROTA).rota[0]))
# On 10 March 2026 Bruno has rung 1 since the day before, Anna from the 16th on; Dario always has rung 2.
BOOK = Book([Version(1, RULES.first_instant(), RULES)])
NOTICES = NoticeSettings()


def with_override(start: str, end: str, who: str, rung: int = 1) -> Book:
    return replace(BOOK, overrides=[Override(1, rung, rome(start), rome(end), who)])


def weekend(day: date) -> bool:
    return day.weekday() >= 5


def test_shares_count_the_hours_that_pass() -> None:
    """March has an hour less, October one more; each night is somebody's, and each free day."""
    for month, after, hours, free in (
        (date(2026, 3, 1), date(2026, 4, 1), 743, 9),
        (date(2026, 10, 1), date(2026, 11, 1), 745, 9),
    ):
        found = shares.shares(BOOK, month, after, ROME, "22:00-06:00", weekend)
        for rung in (1, 2):
            mine = [each for each in found if each.rung == rung]
            assert sum(each.seconds for each in mine) == hours * 3600
            assert (sum(each.nights for each in mine), sum(each.free_days for each in mine)) == (31, free)


def test_a_night_is_whose_most_of_it_is() -> None:
    book = with_override("2026-03-12 22:00", "2026-03-13 03:00", "dario")
    found = shares.shares(book, date(2026, 3, 12), date(2026, 3, 13), ROME, "22:00-06:00", weekend)
    nights = {each.technician: each.nights for each in found if each.rung == 1}
    assert nights == {"bruno": 0, "dario": 1}
    # Its last hours lie in the next day: of this day's hours Dario has two.
    assert {e.technician: e.seconds / 3600 for e in found if e.rung == 1} == {"bruno": 22, "dario": 2}


def test_the_next_turn_of_each() -> None:
    found = foresight.next_turns({"duty": BOOK}, NIGHT)
    assert {key: (each.rung, each.running) for key, each in found.items()} == {
        "bruno": (1, True),
        "anna": (1, False),
        "dario": (2, True),
    }
    assert (found["bruno"].end, found["anna"].start) == (rome("2026-03-16 18:30"), rome("2026-03-16 18:30"))
    assert found["dario"].end is None


def told(after: Book, hours: float = 24 * 7, settings: NoticeSettings = NOTICES) -> list[Telling]:
    return foresight.tellings(
        {"duty": BOOK}, {"duty": after}, NIGHT, NIGHT + timedelta(hours=hours), settings, ROME
    )


def test_whoever_gets_a_turn_is_told_before_the_quiet_hours() -> None:
    found = told(with_override("2026-03-14 08:00", "2026-03-14 20:00", "anna"))
    assert found == [
        Telling(rome("2026-03-13 20:45"), "anna", "begins", "duty", 1, rome("2026-03-14 08:00")),
        Telling(rome("2026-03-14 08:00"), "bruno", "ends", "duty", 1, rome("2026-03-14 08:00")),
        Telling(rome("2026-03-14 19:45"), "bruno", "begins", "duty", 1, rome("2026-03-14 20:00")),
        Telling(rome("2026-03-14 20:00"), "anna", "ends", "duty", 1, rome("2026-03-14 20:00")),
    ]


def test_whoever_knew_of_a_turn_is_told_that_it_is_anothers() -> None:
    """A turn of tomorrow at seven was announced this evening; whose turn runs is told that it ends."""
    before = {"duty": with_override("2026-03-11 07:00", "2026-03-11 12:00", "anna")}
    found = foresight.tellings(before, {"duty": BOOK}, NIGHT, NIGHT + timedelta(hours=24), NOTICES, ROME)
    assert Telling(NIGHT, "anna", "cancelled", "duty", 1, rome("2026-03-11 07:00")) in found
    now = told(with_override("2026-03-10 21:00", "2026-03-11 12:00", "anna"))
    assert Telling(NIGHT, "bruno", "ends", "duty", 1, NIGHT) in now
    assert Telling(NIGHT, "anna", "begins", "duty", 1, NIGHT) in now


def test_nobody_is_told_where_turns_are_not_announced() -> None:
    after = with_override("2026-03-14 08:00", "2026-03-14 20:00", "anna")
    assert told(after, settings=NoticeSettings(shifts=False)) == []
    assert told(BOOK) == []
