"""Nothing a caller hears, and no timing, tells whether his number is known or his guess was evaluated.

The same wrong PINs are keyed from a number on a customer's file and from one on nobody's, while the
budget of misses is whole, after many misses of that number, and once the budget is spent. What they are
answered must be the same word for word, turn by turn, for as many statements of the database and as many
slow hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations

import pytest
from making import ACTOR, NIGHT, SECRETS, a_sid, configuration, opened_at, staff
from test_lean import counting

from console.house import House
from console.processes.doors import desks
from console.settings import Configuration
from ivr.answer import Answer, Dial, Gather, Record
from ivr.desk import Desk
from ivr.tables import wake_ups
from ivr.vocabulary import Received, Recording
from pins import customers, registry, throttle
from pins.index import Busy, Digest, PinIndex
from pins.tables import pin_tries
from storage.engine import Database
from storage.tables import due_work

KNOWN, UNKNOWN, WITHHELD = "+393471112201", "+393471112299", "anonymous"
NUMBER = "+390461825060"
# What is keyed at each turn after the welcome; whatever PIN is drawn, it is none of these: they are weak.
WRONG = ("12345678", "11111111", "87654321")
KEYED = {
    "three wrong ones": WRONG,
    "one wrong one, then none": (WRONG[0], "0"),
    "wrong ones, silence and too few digits": (WRONG[0], "", "1234", WRONG[1], "9", WRONG[2]),
    "the same one three times": (WRONG[0],) * 3,
}


def missed(database: Database, at: datetime, number: str, count: int) -> None:
    """So many wrong PINs were keyed from that number, each of them looked at."""
    with database.write() as connection:
        for _ in range(count):
            throttle.missed(connection, at, number, throttle.Lane.SHARED)


def forget(database: Database) -> None:
    """Whatever another caller did at this very instant."""
    with database.write() as connection:
        for table in (pin_tries, wake_ups, due_work):
            connection.execute(table.delete())


# What has happened before the call: wrong PINs of its own number and of others, and how long ago.
OTHERS = "+393400000000"
CONDITIONS: dict[str, dict[str, tuple[int, timedelta]]] = {
    "budget whole": {},
    "five of his own": {"own": (5, timedelta(minutes=20))},
    "six of his own": {"own": (6, timedelta(minutes=20))},
    "twelve of his own": {"own": (12, timedelta(minutes=20))},
    "his own try spends the budget": {"others": (19, timedelta(minutes=20))},
    "budget spent": {"others": (20, timedelta(minutes=20))},
    # As if somebody had forged his number to bar him.
    "budget spent, six of his own": {
        "others": (20, timedelta(minutes=30)),
        "own": (6, timedelta(minutes=20)),
    },
    "budget of the day spent": {"others": (100, timedelta(hours=5))},
}


@dataclass
class Hall:
    """A house with one customer, whose number is on file; `hashes` grows with each slow hash."""

    desk: Desk
    database: Database
    hashes: list[str]
    calls: int = 0


@dataclass
class Told:
    """What one caller was told, and what it took: an entry a turn."""

    answers: list[object] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)


@pytest.fixture
def hall(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hall]:
    folder = tmp_path_factory.mktemp("house")
    settings: Configuration = configuration(folder, SECRETS)
    hashes: list[str] = []
    slow = PinIndex.digests

    def counted(self: PinIndex, pin: str, **more: object) -> list[Digest]:
        hashes.append("one")
        return slow(self, pin, **more)  # type: ignore[arg-type]

    with opened_at(database_url) as database:
        with database.write() as connection:
            staff(connection, NIGHT - timedelta(days=90))
            customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME", phones=[KNOWN])
            registry.issue(connection, ACTOR, NIGHT, "ACME", registry.draw(PinIndex(settings.pins), 8))
        monkeypatch.setattr(PinIndex, "digests", counted)
        yield Hall(desks(House(settings, database)).caller, database, hashes)


def phone(hall: Hall, caller: str, keyed: tuple[str, ...]) -> Told:
    """Call, key these, say who one is if that is asked, and wait to be heard."""
    told = Told()
    hall.calls += 1
    sid = a_sid(hall.calls)

    def hear(**what: object) -> Answer:
        turn = len(told.answers)
        before = len(hall.hashes)
        got = Received(sid, caller, NUMBER, turn, **what)  # type: ignore[arg-type]
        with counting(hall.database) as count:
            answer = hall.desk.answer(got, NIGHT + timedelta(seconds=8 * turn))
        told.answers.append(without_addresses(answer))
        told.statements.append(count.statements)
        told.hashes.append(len(hall.hashes) - before)
        return answer

    last = hear()
    for keys in keyed:
        last = hear(digits=keys)
    if isinstance(last.parts[-1], Record):
        hear(recording=Recording("RE" + sid[2:], "https://api.twilio.com/x", 4))
        hear(digits="")  # it is on its way
        hear(digits="")  # eight seconds are over: a technician's phone rings
    hall.desk.ended(sid, NIGHT + timedelta(minutes=2))
    return told


def without_addresses(answer: Answer) -> list[object]:
    """Every word and figure of it, but not the addresses: they carry the call's own luggage."""
    parts: list[object] = []
    for part in answer.parts:
        match part:
            case Gather():
                parts.append(replace(part, action=""))
            case Record():
                parts.append(replace(part, action="", callback=""))
            case Dial(targets=targets):
                named = tuple(replace(target, whisper="") for target in targets)
                parts.append(replace(part, action="", targets=named))
            case _:
                parts.append(part)
    return parts


@pytest.mark.parametrize("before", CONDITIONS.values(), ids=CONDITIONS)
def test_a_known_number_and_others_are_told_the_same(
    before: dict[str, tuple[int, timedelta]], hall: Hall
) -> None:
    for name, keyed in KEYED.items():
        told: list[Told] = []
        for caller in (KNOWN, UNKNOWN, WITHHELD):
            forget(hall.database)
            for whose, (count, ago) in before.items():
                missed(hall.database, NIGHT - ago, caller if whose == "own" else OTHERS, count)
            told.append(phone(hall, caller, keyed))
        for one, other in combinations(told, 2):
            assert len(one.answers) == len(other.answers), name
            for turn, (here, there) in enumerate(zip(one.answers, other.answers, strict=True)):
                assert here == there, f"{name}: turn {turn}"
            assert one.hashes == other.hashes, name
            assert one.statements == other.statements, name


def test_it_would_be_noticed(hall: Hall) -> None:
    """The comparison sees what it is for: another word, another statement, another hash."""
    wrong = phone(hall, UNKNOWN, WRONG[:1])
    malformed = phone(hall, UNKNOWN, ("1234",))
    assert wrong.answers[0] == malformed.answers[0]
    assert wrong.answers[1] != malformed.answers[1]
    assert (wrong.hashes, malformed.hashes) == ([0, 1], [0, 0])
    assert wrong.statements[1] != malformed.statements[1]


def test_a_pin_that_no_time_was_found_to_hash_is_no_guess(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are asked again in the same words; who has tried so is not sent away for the lack of a PIN."""

    def busy(self: PinIndex, pin: str, **more: object) -> list[Digest]:
        assert more["patience"] is not None  # he is on the line: nobody waits for ever
        raise Busy

    monkeypatch.setattr(PinIndex, "digests", busy)
    told = [phone(hall, caller, (*WRONG, WRONG[0], "0")) for caller in (KNOWN, UNKNOWN, WITHHELD)]
    assert told[0] == told[1] == told[2]
    gather, record = told[0].answers[4], told[0].answers[5]
    assert "controllare il PIN" in str(gather)
    assert "il suo nome" in str(record)
    with hall.database.read() as connection:
        assert connection.execute(pin_tries.select()).all() == []
