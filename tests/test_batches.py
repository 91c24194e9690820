"""PINs with letters by the hundred: interrupted anywhere, nothing is lost and nothing issued twice."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from making import ACTOR, NIGHT, ROOT, everything_written, fresh_database, opened_at, pin_settings
from sqlalchemy import Connection, func, select

from pins import batches, customers, letter_folder, registry
from pins.batches import Batch, Order, Workshop
from pins.customers import Contract, Customer
from pins.index import PinIndex
from pins.letter_folder import FolderRefused, LetterFolder
from pins.letters import Letter
from pins.registry import NewPin
from pins.tables import pin_batches, pins
from storage.engine import Database

INDEX = PinIndex(pin_settings())
TODAY = date(2026, 3, 10)
PEOPLE = 7


class Killed(BaseException):
    """As if the process ended here."""


def plain(letters: Sequence[Letter]) -> bytes:
    """Letters that a test can read."""
    return json.dumps([[each.pin_id, each.customer.code, each.pin] for each in letters]).encode()


def shop(database: Database, **more: object) -> Workshop:
    made = Workshop(database, INDEX, plain, ACTOR, NIGHT, TODAY, TODAY, "it", hands=2, overlap_days=7)
    return replace(made, **more)  # type: ignore[arg-type]


def add_people(connection: Connection, count: int = PEOPLE) -> list[Customer]:
    return [
        customers.add_customer(connection, ACTOR, NIGHT, f"Customer {number}", code=f"C{number:03d}")
        for number in range(count)
    ]


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(batches, "BATCH", 3)
    with opened_at(database_url) as database:
        with database.write() as connection:
            add_people(connection)
        yield database


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "letters"


def everybody(database: Database) -> list[Customer]:
    with database.read() as connection:
        return customers.all_customers(connection)


def issue_all(database: Database, place: Path, **more: object) -> list[Batch]:
    made = shop(database, **more)
    with letter_folder.opened(place) as folder:
        batches.recover(database, folder)
        return list(batches.issue_to(made, folder, everybody(database), Order))


def issue_missing(database: Database, place: Path) -> list[Batch]:
    with letter_folder.opened(place) as folder:
        batches.recover(database, folder)
        return list(batches.issue_missing(shop(database), folder, Order))


def rotate_all(database: Database, place: Path, overlap: int = 7, shorter: int | None = None) -> list[Batch]:
    made = shop(database, overlap_days=overlap)
    with letter_folder.opened(place) as folder:
        batches.recover(database, folder)
        return list(batches.rotate_all(made, folder, lambda order: order, shorter))


def read(place: Path) -> list[tuple[int, str, str]]:
    """Every letter in the folder: (id, customer, PIN)."""
    return [
        (pin_id, code, pin)
        for file in sorted(place.glob("*.pdf"))
        for pin_id, code, pin in json.loads(file.read_bytes())
    ]


def standing(database: Database) -> dict[int, str]:
    """Live PINs that nothing has replaced, by id."""
    with database.read() as connection:
        return {
            each.id: each.customer
            for each in registry.all_pins(connection)
            if each.status(TODAY) == "active" and not each.replaced_by
        }


def assert_whole(database: Database, place: Path) -> None:
    """Everybody has one PIN that stands, each issued by this run has its one letter, nothing is left over."""
    letters = read(place)
    assert sorted(standing(database).values()) == [each.code for each in everybody(database)]
    assert {pin_id: code for pin_id, code, _ in letters} == standing(database)
    assert len(letters) == len({pin_id for pin_id, *_ in letters})
    with database.read() as connection:
        for pin_id, _, pin in letters:
            found = registry.find_pin(connection, INDEX.digests(pin))
            assert found is not None
            assert found.pin_id == pin_id
    assert [file.name for file in place.iterdir() if file.name.startswith(".")] == []


# -- what comes of a run -------------------------------------------------------------------------


def test_a_run_issues_everybody_one_pin_with_a_letter(database: Database, place: Path) -> None:
    told = issue_all(database, place)
    assert [len(batch.issued) for batch in told] == [3, 3, 1]
    assert [batch.file.name.split("-")[:2] for batch in told] == [["letters", f"00{n}"] for n in (1, 2, 3)]
    assert_whole(database, place)
    assert {stat.S_IMODE(batch.file.stat().st_mode) for batch in told} == {0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    with database.read() as connection:
        rows = connection.execute(select(pin_batches).order_by(pin_batches.c.pins)).all()
    assert [(row.pins, row.actor) for row in rows] == [(1, ACTOR), (3, ACTOR), (3, ACTOR)]
    assert {row.id for row in rows} == {batch.file.stem.split("-")[2] for batch in told}


def test_whoever_has_no_live_pin_and_a_running_contract_is_missing(database: Database, place: Path) -> None:
    yesterday = TODAY - timedelta(days=1)
    with database.write() as connection:
        for code, contract in (
            ("ENDED", Contract(until=yesterday)),
            ("NONE", Contract("none")),
            ("SPENT", Contract("prepaid", minutes_left=0)),
            ("PREPAID", Contract("prepaid", minutes_left=5)),
        ):
            customers.add_customer(connection, ACTOR, NIGHT, code, code=code, contract=contract)
        for code, expires in (("C000", None), ("C001", yesterday), ("C002", TODAY), ("C003", None)):
            new = registry.draw(INDEX, 8)
            pin_id = registry.issue(connection, ACTOR, NIGHT, code, new, expires=expires)
        registry.revoke(connection, ACTOR, NIGHT, pin_id)
    told = issue_missing(database, place)
    issued = [code for batch in told for _, code in batch.issued]
    assert issued == ["C001", "C003", "C004", "C005", "C006", "PREPAID"]
    assert issue_missing(database, place) == []


def test_a_mass_rotation_replaces_every_pin_once(database: Database, place: Path, tmp_path: Path) -> None:
    issue_all(database, tmp_path / "first")
    before = standing(database)
    told = rotate_all(database, place)
    assert sum(len(batch.issued) for batch in told) == PEOPLE
    assert_whole(database, place)
    with database.read() as connection:
        old = [registry.pin(connection, pin_id) for pin_id in before]
    assert {each.status(TODAY) for each in old} == {"overlap"}
    assert {each.expires for each in old} == {date(2026, 3, 17)}


def test_a_rotation_of_short_pins_leaves_the_others(database: Database, place: Path, tmp_path: Path) -> None:
    issue_all(database, tmp_path / "first")
    with database.write() as connection:
        long = registry.issue(connection, ACTOR, NIGHT, "C000", registry.draw(INDEX, 10))
    told = rotate_all(database, place, shorter=9)
    assert sum(len(batch.issued) for batch in told) == PEOPLE
    assert long in standing(database)
    with database.read() as connection:
        assert registry.live_by_length(connection, TODAY) == {8: PEOPLE, 10: PEOPLE + 1}
        assert registry.replaced_by(connection, long, TODAY) is None


def test_twice_the_pins_that_stand_decide_the_length(database: Database) -> None:
    with database.read() as connection:
        assert batches.length_of_rotation(connection, TODAY, 0, None) == 8
    with database.write() as connection:
        owner = everybody(database)[0].id
        connection.execute(
            pins.insert(),
            [
                {"customer_id": owner, "digest": number.to_bytes(32, "big"), "key_version": 1, "length": 8}
                | {"params_version": 1, "issued_at": NIGHT, "issued_by": ACTOR}
                for number in range(501)
            ],
        )
        assert registry.length_of_next(connection, TODAY) == 8
        assert batches.length_of_rotation(connection, TODAY, 501, None) == 9
        assert batches.length_of_rotation(connection, TODAY, 1, None) == 9  # the others may follow
        assert batches.length_of_rotation(connection, TODAY, 501, 11) == 11


def test_more_than_a_length_can_bear_are_not_begun(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pins.drawing.most_of", lambda digits: 5)
    with pytest.raises(registry.TooManyOfThisLength):
        issue_all(database, place)
    assert (standing(database), read(place)) == ({}, [])


# -- interrupted ---------------------------------------------------------------------------------

# Where a run can end: while it hashes, when the letters are on disk, before and after the commit, when
# they have their name, and when all is done but for the note that it is.
POINTS: dict[str, tuple[object, str, str]] = {
    "drawing": (registry, "draw", "before"),
    "letters written": (LetterFolder, "put", "after"),
    "about to commit": (batches, "_issue", "after"),
    "committed": (LetterFolder, "name", "before"),
    "named": (LetterFolder, "name", "after"),
    "all done": (LetterFolder, "end", "before"),
}


def break_at(monkeypatch: pytest.MonkeyPatch, point: str, occurrence: int) -> None:
    """End at the `occurrence`-th time the run comes to this point."""
    home, name, when = POINTS[point]
    real: Callable[..., object] = getattr(home, name)
    count = 0

    def breaking(*arguments: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == occurrence and when == "before":
            raise Killed
        done = real(*arguments, **more)
        if count == occurrence:
            raise Killed
        return done

    monkeypatch.setattr(home, name, breaking)


CASES = [(act, point, 1 if point == "all done" else 2) for act in ("issue", "rotate") for point in POINTS] + [
    (act, point, 1) for act in ("missing", "rotate at once") for point in ("letters written", "committed")
]


@pytest.mark.parametrize(("act", "point", "occurrence"), CASES)
def test_interrupted_anywhere_a_run_is_taken_up_again(
    database: Database,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: str,
    point: str,
    occurrence: int,
) -> None:
    if act.startswith("rotate"):
        issue_all(database, tmp_path / "first")
    run: Callable[[], list[Batch]] = {
        "issue": lambda: issue_all(database, place),
        "missing": lambda: issue_missing(database, place),
        "rotate": lambda: rotate_all(database, place),
        "rotate at once": lambda: rotate_all(database, place, overlap=0),
    }[act]
    with monkeypatch.context() as patched:
        break_at(patched, point, occurrence)
        with pytest.raises(Killed):
            run()
    run()
    assert_whole(database, place)
    with database.read() as connection:
        count = connection.execute(select(func.count()).select_from(pins)).scalar_one()
    assert count == (2 * PEOPLE if act.startswith("rotate") else PEOPLE)


def test_the_letters_of_pins_that_were_never_issued_are_deleted(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        break_at(patched, "letters written", 1)
        with pytest.raises(Killed):
            issue_all(database, place)
    (part,) = place.glob(".*.part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    drawn = [pin for _, _, pin in json.loads(part.read_bytes())]
    issue_all(database, place)
    written = everything_written(place)
    assert not any(pin.encode() in written for pin in drawn)


@pytest.mark.parametrize("point", ["letters written", "committed"])
def test_killed_for_good_a_run_is_taken_up_again(tmp_path: Path, place: Path, point: str) -> None:
    """A process of its own, ended by SIGKILL; the next one finishes its work."""
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            add_people(connection, 4)
        killed = subprocess.run(
            [sys.executable, __file__, str(database.engine.url), str(place), point],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
            capture_output=True,
            timeout=300,
        )
        assert (killed.returncode, killed.stderr) == (-9, b"")
        issue_all(database, place)
        assert_whole(database, place)


# -- others at work meanwhile --------------------------------------------------------------------


def test_what_changed_while_letters_were_written_is_looked_at_again(
    database: Database, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_all(database, tmp_path / "first")
    first, second, *_ = standing(database)
    put, meanwhile = LetterFolder.put, iter([first, second])

    def slowly(self: LetterFolder, batch: str, letters: bytes) -> None:
        put(self, batch, letters)
        if (pin_id := next(meanwhile, None)) is not None:
            with database.write() as connection:
                registry.revoke(connection, ACTOR, NIGHT, pin_id)

    monkeypatch.setattr(LetterFolder, "put", slowly)
    told = rotate_all(database, place)
    assert sum(len(batch.issued) for batch in told) == PEOPLE - 2
    assert {pin_id for pin_id, *_ in read(place)} == set(standing(database))


def test_whoever_is_served_by_another_meanwhile_is_not_served_twice(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = LetterFolder.put

    def slowly(self: LetterFolder, batch: str, letters: bytes) -> None:
        put(self, batch, letters)
        monkeypatch.setattr(LetterFolder, "put", put)
        with database.write() as connection:
            registry.issue(connection, ACTOR, NIGHT, "C001", registry.draw(INDEX, 8))

    monkeypatch.setattr(LetterFolder, "put", slowly)
    issue_missing(database, place)
    assert sorted(standing(database).values()) == [each.code for each in everybody(database)]
    assert [code for _, code, _ in read(place)].count("C001") == 0


def test_a_pin_that_was_used_before_is_drawn_anew(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = registry.draw(INDEX, 8)
    with database.write() as connection:
        revoked = registry.issue(connection, ACTOR, NIGHT, "C000", old)
        registry.revoke(connection, ACTOR, NIGHT, revoked)
    draw, unlucky = registry.draw, iter([old])

    def drawn(index: PinIndex, length: int) -> NewPin:
        return next(unlucky, None) or draw(index, length)

    monkeypatch.setattr(registry, "draw", drawn)
    issue_all(database, place)
    assert_whole(database, place)
    # A run that never has luck gives up.
    monkeypatch.setattr(registry, "draw", lambda index, length: old)
    with pytest.raises(registry.PinUsedBefore):
        rotate_all(database, place)


def test_a_letter_that_cannot_be_laid_out_leaves_nothing(database: Database, place: Path) -> None:
    def failing(letters: Sequence[Letter]) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        issue_all(database, place, render=failing)
    assert standing(database) == {}
    assert list(place.glob(".*.part")) == []


def test_one_run_at_a_time_in_a_folder(place: Path) -> None:
    with (
        letter_folder.opened(place),
        pytest.raises(FolderRefused, match="another run"),
        letter_folder.opened(place),
    ):
        pass
    with letter_folder.opened(place):
        pass


def test_a_folder_with_another_interrupted_run_is_refused(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        break_at(patched, "committed", 1)
        with pytest.raises(Killed):
            issue_all(database, place)
    with pytest.raises(FolderRefused, match="give its command again"):
        rotate_all(database, place)
    (place / ".task").write_text("[")
    with pytest.raises(FolderRefused, match="cannot be read"):
        rotate_all(database, place)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderRefused, match="file"), letter_folder.opened(tmp_path / "file" / "letters"):
        pass


# -- by e-mail too -------------------------------------------------------------------------------


def test_what_a_batch_sends_is_queued_with_it(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    queued: list[int] = []

    def post(letter: Letter) -> Callable[[Connection], None] | None:
        if letter.customer.code == "C001":
            return None
        made.append(letter.pin_id)

        def queue(connection: Connection) -> None:
            assert registry.pin(connection, letter.pin_id)
            queued.append(letter.pin_id)

        return queue

    with monkeypatch.context() as patched:
        break_at(patched, "letters written", 1)
        with pytest.raises(Killed):
            issue_all(database, place, post=post)
    assert (len(made), queued) == (2, [])
    told = issue_all(database, place, post=post)
    assert [batch.sent for batch in told] == [2, 3, 1]
    assert sorted(queued) == sorted(
        set(standing(database)) - {each for each, c, _ in read(place) if c == "C001"}
    )


if __name__ == "__main__":
    import signal

    def die() -> object:
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    url, where, point = sys.argv[1:]
    batches.BATCH = 3
    home, name, when = POINTS[point]
    real = getattr(home, name)
    setattr(
        home,
        name,
        (lambda *a, **m: die()) if when == "before" else (lambda *a, **m: (real(*a, **m), die())),
    )
    with opened_at(url) as opened:
        issue_all(opened, Path(where))
