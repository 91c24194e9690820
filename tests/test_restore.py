"""Yesterday's backup is restored: revoked stays revoked, erased stays erased, no case is lost, and nothing is
sent a second time.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from making import (
    ACTOR,
    NIGHT,
    SECRETS,
    a_call,
    a_case,
    a_sid,
    configuration,
    fresh_database,
    pin_settings,
)
from pydantic import SecretStr
from sqlalchemy import func, insert, select
from test_erasure import DISTINCTIVE, forms, inhabited, left

from console import erasure, outside, verification
from console.access import tokens, users
from console.backups import aftermath, making, restoring
from console.backups.aftermath import GRACE
from console.backups.making import BackupRefused, make
from console.backups.reading import BackupUnusable
from console.backups.restoring import LedgerNeeded, Restored
from console.commands import backups, ivr
from console.house import House
from console.rehearsing.playhouse import NeverSettles, Playhouse
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration
from console.tables import console_jobs, console_sessions
from console.work import HANDLERS
from ivr import placed
from ivr.tables import calls, outgoing, turns
from oncall.calendars import feeds
from oncall.cases import cases
from oncall.cases.cases import PURSUE
from oncall.reaching.reached import CHECK, NOTICE
from oncall.tables import attempts as attempt_rows
from oncall.tables import case_links, case_numbers, passes, shift_checks
from oncall.tables import notices as notice_rows
from pins import customers, keyring, registry
from pins.customers import UnknownCustomer, customer
from pins.index import PinIndex
from storage import anchors, audit, due, dump, ledger, schema
from storage.alarms import ALARM
from storage.engine import open_database
from storage.sealed_file import opened
from storage.tables import audit as audit_table
from storage.tables import due_work, metadata

DAY = timedelta(days=1)
SIGNING, SEALING, OTHER = (bytes(range(start, start + 32)) for start in (60, 20, 120))
KINDS = ("sqlite", "postgresql")
ASKS = """\
@ {at}
* acme calls trento
< PIN
> PIN {pin}
< {heard}
> hangs up
"""


@pytest.fixture
def keyed(shipped_configuration: Configuration) -> Configuration:
    """The shipped configuration with the keys of the ledger, the anchors and the backups."""
    service, backup = shipped_configuration.service, shipped_configuration.backup
    return shipped_configuration.model_copy(
        update={
            "service": service.model_copy(update={"signing_key": SecretStr(SIGNING.hex())}),
            "backup": backup.model_copy(update={"sealing_keys": [SecretStr(SEALING.hex())]}),
        }
    )


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The address of an empty database of a kind."""

    def make_one(kind: str) -> str:
        if kind == "postgresql":
            url: str = request.getfixturevalue("new_postgresql")()
            return url
        return f"sqlite:///{tmp_path}/restored.db"

    return make_one


@pytest.fixture
def night(stage: Callable[..., Rehearsal], keyed: Configuration) -> Rehearsal:
    """A house in use, with a customer of whom something stands everywhere."""
    return inhabited(stage(keyed))


@pytest.fixture
def anew(new_url: Callable[[str], str]) -> Iterator[Callable[..., House]]:
    """`anew(rehearsal, kind)`: the same machine with an empty database; closed after the test."""
    opened: list[House] = []

    def open_one(rehearsal: Playhouse, kind: str = "sqlite", **service: Any) -> House:
        was = rehearsal.configuration
        url = new_url(kind)
        now = was.model_copy(
            update={
                "database": was.database.model_copy(update={"url": url}),
                "service": was.service.model_copy(update=service),
            }
        )
        opened.append(replace(rehearsal.house, configuration=now, database=open_database(url)))
        return opened[-1]

    yield open_one
    for house in opened:
        house.close()


def backed_up(rehearsal: Playhouse, folder: Path) -> Path:
    return make(rehearsal.house, folder / "yesterday.backup", rehearsal.clock.now(), ACTOR).file


def restored(house: House, file: Path, at: datetime, **how: Any) -> Restored:
    backup = restoring.examine(house, file)
    return restoring.restore(house, backup, restoring.ledgers(house, backup), at, ACTOR, **how)


def key_of(house: House) -> bytes:
    """What signs its ledger: a rehearsal may have a key of its own."""
    return bytes.fromhex(house.configuration.service.signing_key.get_secret_value())


def verdict(house: House) -> verification.Verdict:
    known = verification.outside(house.configuration)
    with house.database.read() as connection:
        return verification.verify(connection, known)


def pending(house: House, *kinds: str) -> list[tuple[str, str, datetime]]:
    with house.database.read() as connection:
        rows = connection.execute(
            select(due_work.c.kind, due_work.c.key, due_work.c.due_at)
            .where(due_work.c.state == due.PENDING, due_work.c.kind.in_(kinds))
            .order_by(due_work.c.id)
        )
        return [(row.kind, row.key, row.due_at) for row in rows]


def alarms(house: House) -> dict[str, Any]:
    with house.database.read() as connection:
        rows = connection.execute(select(due_work.c.payload).where(due_work.c.kind == ALARM))
        return {row.payload["what"]: row.payload for row in rows}


def rows(house: House) -> list[Any]:
    with house.database.read() as connection:
        return list(dump.lines(connection, metadata))


# -- during load, onto the other kind --------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [KINDS, KINDS[::-1]])
def test_a_backup_written_during_load_is_one_instant_and_verifies_on_the_other_kind(
    tmp_path: Path,
    keyed: Configuration,
    new_url: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    second: str,
) -> None:
    houses = []
    for kind in (first, second):
        database = keyed.database.model_copy(update={"url": new_url(kind)})
        here = keyed.model_copy(update={"database": database, "folder": tmp_path})
        houses.append(House(here, open_database(database.url)))
    began, there = houses
    if first == "sqlite":
        with fresh_database(tmp_path) as fresh:
            (tmp_path / "restored.db").write_bytes(Path(str(fresh.engine.url.database)).read_bytes())
    over, wrote = threading.Event(), threading.Semaphore(0)
    failed: list[BaseException] = []

    def write(writer: int) -> None:
        """Calls, each with a turn and an act, in one transaction: never one without the others."""
        number = 0
        try:
            while not over.is_set():
                number += 1
                sid = a_sid(writer * 1_000_000 + number)
                with began.database.write() as connection:
                    a_call(connection, sid)
                    audit.record(connection, ACTOR, NIGHT, "test.call", f"call:{sid}")
                    answer = {"sid": sid, "turn": 0, "at": NIGHT, "step": "pin", "heard": "", "answer": "{}"}
                    connection.execute(insert(turns), answer)
                wrote.release()
        except BaseException as error:
            failed.append(error)
            raise

    plain = dump.lines

    def slowly(connection: Any, tables: Any, only: Any = None) -> Iterator[Any]:
        """Between two tables others write, as often as we wait for."""
        for line in plain(connection, tables, only):
            yield line
            if isinstance(line, dict) and line.get("end") in ("customers", "calls", "audit"):
                for _ in range(8):
                    assert wrote.acquire(timeout=60), "a caller waits for the backup"

    monkeypatch.setattr(dump, "lines", slowly)
    writers = [threading.Thread(target=write, args=(each,)) for each in (1, 2)]
    for each in writers:
        each.start()
    try:
        for _ in range(10):
            assert wrote.acquire(timeout=60)
        file = make(began, tmp_path / "loaded.backup", NIGHT, ACTOR).file
    finally:
        over.set()
        for each in writers:
            each.join()
    assert not failed
    monkeypatch.undo()
    done = restored(there, file, NIGHT + DAY)
    assert done.faults == []
    with there.database.read() as connection:
        told = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (calls, turns)
        ]
        acts = select(func.count()).where(audit_table.c.act == "test.call")
        told.append(connection.execute(acts).scalar_one())
    with began.database.read() as connection:
        written = connection.execute(select(func.count()).select_from(calls)).scalar_one()
    assert told[0] == told[1] == told[2]
    assert 10 <= told[0] <= written - 20
    found = verdict(there)
    assert found.holds, found
    for house in houses:
        house.close()


# -- revoked, erased -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_revoked_stays_revoked_and_erased_stays_erased(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path, kind: str
) -> None:
    file = backed_up(night, tmp_path)
    at = night.clock.now() + timedelta(hours=1)
    with night.house.database.write() as connection:
        registry.revoke(connection, ACTOR, at, night.pin_ids["acme-new"], "stolen")
    night.play(ASKS.format(at="2026-03-11 21:00", pin="acme-new", heard="Il PIN non è valido"))
    erasure.erase(night.house, ACTOR, night.clock.now(), "ZNZ-GMBH")

    house = anew(night, kind)
    done = restored(house, file, night.clock.now() + DAY)
    assert (done.pins, done.customers, done.doubt) == (2, 1, None)  # one of them was his
    again = Playhouse(house, night.clock.now() + DAY)
    again.pins |= night.pins
    again.play(ASKS.format(at="2026-03-13 21:00", pin="acme-new", heard="Il PIN non è valido"))
    again.play(ASKS.format(at="2026-03-13 22:00", pin="acme", heard="prema 1"))
    with house.database.read() as connection:
        with pytest.raises(UnknownCustomer):
            customer(connection, "ZNZ-GMBH")
        acts = [act.act for act in audit.acts(connection, limit=1000)]
    assert "database.restore" in acts
    night.house.close()
    (night.folder / "rehearsal.db").unlink()
    night.house = house
    assert left(night) == []
    disk = b"".join(each.read_bytes() for each in tmp_path.glob("restored.db*"))
    assert [text for text in DISTINCTIVE if any(form in disk for form in forms(text))] == []
    assert verdict(house).holds


def test_without_the_ledger_they_would_be_back(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    """So the test above shows what it says."""
    file = backed_up(night, tmp_path)
    with night.house.database.write() as connection:
        registry.revoke(connection, ACTOR, night.clock.now(), night.pin_ids["acme-new"], "stolen")
    erasure.erase(night.house, ACTOR, night.clock.now(), "ZNZ-GMBH")
    house = anew(night, state=Path("elsewhere"))
    with pytest.raises(LedgerNeeded):
        restored(house, file, night.clock.now())
    with house.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
    done = restored(house, file, night.clock.now(), without_ledger=True)
    assert (done.pins, done.customers) == (0, 0)
    assert done.doubt
    assert alarms(house)["backup-restored"]["unsure"]
    with house.database.read() as connection:
        assert customer(connection, "ZNZ-GMBH").code == "ZNZ-GMBH"
        assert registry.pin(connection, night.pin_ids["acme-new"]).revoked_at is None
    # What the database knows to be revoked, the new ledger knows too; and the messages are back.
    elsewhere = house.configuration.folder / "elsewhere"
    known = {entry.key for entry in ledger.entries(elsewhere / ledger.FILE, key_of(house))}
    assert f"pin.revoke:{night.pin_ids['acme-revoked']}" in known
    assert "Zwingli telefonò".encode() in b"".join(
        each.read_bytes() for each in (elsewhere / "messages").iterdir()
    )
    assert verdict(house).holds


def test_an_older_ledger_does_not_do_and_another_one_does(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    live = night.folder / "state" / ledger.FILE
    old = tmp_path / "old.jsonl"
    with night.house.database.write() as connection:
        registry.revoke(connection, ACTOR, night.clock.now(), night.pin_ids["acme-old"], "lost")
    outside.follow(night.house, night.clock.now())
    old.write_bytes(live.read_bytes())
    file = backed_up(night, tmp_path)
    with night.house.database.write() as connection:
        registry.revoke(connection, ACTOR, night.clock.now(), night.pin_ids["acme-new"], "stolen")
    outside.follow(night.house, night.clock.now())
    house = anew(night, state=Path("elsewhere"))
    backup = restoring.examine(house, file)
    assert restoring.ledgers(house, backup, [old]).doubt
    known = restoring.ledgers(house, backup, [old, live])
    assert known.doubt is None
    done = restoring.restore(house, backup, known, night.clock.now(), ACTOR)
    assert done.pins == 1
    # A ledger that was changed is no ledger to rely on.
    spoilt = tmp_path / "spoilt.jsonl"
    spoilt.write_bytes(live.read_bytes().replace(b"pin.revoke", b"pin.rotate", 1))
    assert "tampered" in (restoring.ledgers(house, backup, [spoilt]).doubt or "")
    with pytest.raises(FileNotFoundError):
        restoring.ledgers(house, backup, [tmp_path / "nothing.jsonl"])


def test_no_id_that_the_ledger_names_is_given_to_somebody_else(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    file = backed_up(night, tmp_path)
    at = night.clock.now()
    night.issue("ACME")
    lost = night.pin_ids["acme"]
    with night.house.database.write() as connection:
        registry.revoke(connection, ACTOR, at, lost)
    key = ledger.Entry("customer.erase:70000", "customer.erase", 70_000, at)
    ledger.append(night.folder / "state" / ledger.FILE, key_of(night.house), [key])
    house = anew(night)
    restored(house, file, at)
    again = Playhouse(house, at)
    again.issue("ACME")
    assert again.pin_ids["acme"] > lost
    with house.database.write() as connection:
        given = dump.given(connection, dump.numbered(metadata))
        assert given.keys() == {table.name for table in dump.numbered(metadata)}
        assert min(given.values()) >= aftermath.IDS_LEFT_OUT
        assert customers.add_customer(connection, ACTOR, at, "Nuova", code="NUOVA").id > 70_000


def test_users_calendars_and_tokens_that_were_ended_do_not_come_back(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    at = night.clock.now()
    with night.house.database.write() as connection:
        users.add(connection, ACTOR, at, "gone", "reader")
        users.add(connection, ACTOR, at, "stays", "reader")
        token = feeds.issue(connection, ACTOR, at, technician="anna")
        kept = feeds.issue(connection, ACTOR, at, rota="duty")
        for name in ("gone", "stays"):
            tokens.add(connection, ACTOR, at, night.house.configuration, name, ["cases:read"])
    file = backed_up(night, tmp_path)
    with night.house.database.write() as connection:
        users.remove(connection, ACTOR, at, "gone")
        feeds.issue(connection, ACTOR, at, technician="anna")
        tokens.revoke(connection, ACTOR, at, "gone")
    outside.follow(night.house, at)
    house = anew(night)
    done = restored(house, file, at)
    assert (done.users, done.feeds, done.tokens) == (1, 1, 1)
    with house.database.read() as connection:
        assert [user.name for user in users.everybody(connection)] == ["stays"]
        assert feeds.find(connection, at, token) is None
        assert feeds.find(connection, at, kept) is not None
        states = [token.state(at.date()) for token in tokens.everything(connection)]
        assert states == ["revoked", "live"]


# -- what was under way ----------------------------------------------------------------------------


def test_every_kind_of_work_is_decided_on() -> None:
    """Whoever adds a kind says what becomes of it when yesterday's backup is restored."""
    groups = [
        aftermath.PURSUED_LATER,
        aftermath.ENDS,
        aftermath.ENDS_IF_BEGUN,
        aftermath.GOES_ON,
    ]
    assert sorted(HANDLERS) == sorted(kind for group in groups for kind in group)


def test_an_open_case_is_not_lost_and_nothing_is_sent_again(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    at = night.clock.now()
    with night.house.database.read() as connection:
        (number,) = connection.execute(
            select(due_work.c.key).where(due_work.c.kind == PURSUE, due_work.c.state == due.PENDING)
        ).scalars()
        had = connection.execute(select(func.count()).select_from(case_numbers)).scalar_one()
    assert pending(night.house, NOTICE)
    assert had == 1
    file = backed_up(night, tmp_path)
    house = anew(night)
    later = at + DAY
    done = restored(house, file, later)
    assert done.aftermath is not None
    assert done.aftermath.pursued == [number]
    assert done.aftermath.ended[NOTICE] >= 1
    assert pending(house, *aftermath.ENDS) == []
    assert all(when >= later + GRACE for _, _, when in pending(house, PURSUE, "case.remind"))
    assert alarms(house)["backup-restored"]["cases"] == number
    with house.database.read() as connection:
        unsettled = select(func.count()).where(notice_rows.c.settled_at.is_(None))
        assert connection.execute(unsettled).scalar_one() == 0
    again = Playhouse(house, later)
    again.work()
    assert again.mails == []
    assert outgoing_calls(house) == outgoing_calls(night.house)
    again.clock.forward(minutes=16)
    again.work()
    assert outgoing_calls(house) == outgoing_calls(night.house) + 1
    with house.database.write() as connection:
        assert cases.next_number(connection, 2026) > f"2026-{aftermath.CASES_LEFT_OUT:05d}"


def test_a_call_of_ours_that_was_ringing_is_over(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    """Nobody waits for its end, which the network has told long ago: his phone may be rung again."""
    night.clock.forward(minutes=6)
    night.exchange.settle = lambda: None  # type: ignore[method-assign] # it rings, and nobody has answered yet
    with contextlib.suppress(NeverSettles):
        night.work()
    at = night.clock.now()
    with night.house.database.read() as connection:
        assert placed.engaged(connection, at, "")
    file = backed_up(night, tmp_path)
    house = anew(night)
    restored(house, file, at + timedelta(minutes=1))
    with house.database.read() as connection:
        assert not placed.engaged(connection, at + timedelta(minutes=1), "")
        running = select(func.count()).where(passes.c.ended_at.is_(None))
        assert connection.execute(running).scalar_one() == 0
        open_ = select(func.count()).where(attempt_rows.c.result.is_(None))
        assert connection.execute(open_).scalar_one() == 0


def test_whoever_was_asked_about_a_turn_that_has_begun_is_not_said_to_be_silent(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    at = night.clock.now()
    later = at + DAY
    with night.house.database.write() as connection:
        for number, shift_at in enumerate((at + timedelta(hours=1), at + 2 * DAY), start=1):
            connection.execute(
                insert(shift_checks).values(
                    id=number, rota="duty", rung=1, technician="anna", shift_at=shift_at, asked_at=at
                )
            )
            due.add(connection, at, CHECK, str(number), at, {"check": number})
    file = backed_up(night, tmp_path)
    house = anew(night)
    restored(house, file, later)
    assert [key for _, key, _ in pending(house, CHECK)] == ["2"]
    with house.database.read() as connection:
        asked = connection.execute(select(shift_checks.c.asked_at).order_by(shift_checks.c.id)).scalars()
        assert list(asked) == [at, None]


def test_other_machines_have_ledgers_of_their_own(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    with night.house.database.write() as connection:
        for node in ("web1", "web2"):
            keyring.note_holder(connection, night.clock.now(), node, 1)
    file = backed_up(night, tmp_path)
    (warning,) = restored(anew(night), file, night.clock.now()).warnings
    assert "web1, web2" in warning


def outgoing_calls(house: House) -> int:
    with house.database.read() as connection:
        return connection.execute(select(func.count()).select_from(outgoing)).scalar_one()


def test_no_session_no_link_and_no_long_work_comes_alive(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    at = night.clock.now()
    with night.house.database.write() as connection:
        user = users.add(connection, ACTOR, at, "giulia", "admin")
        welcome = users.welcome(connection, at, user)
        connection.execute(
            insert(console_sessions).values(
                digest="d", user_id=user.id, began_at=at, seen_at=at, address="", agent=""
            )
        )
        connection.execute(
            insert(console_jobs).values(
                kind="letters", user_id=user.id, actor=ACTOR, asked_at=at, input={}, state="running"
            )
        )
        assert users.link_user(connection, at, welcome, "welcome")
    file = backed_up(night, tmp_path)
    house = anew(night)
    restored(house, file, at)
    with house.database.read() as connection:
        assert users.link_user(connection, at, welcome, "welcome") is None
        open_ = select(func.count()).where(console_sessions.c.ended_at.is_(None))
        assert connection.execute(open_).scalar_one() == 0
        good = select(func.count()).where(case_links.c.expires_at > at)
        assert connection.execute(good).scalar_one() == 0
        assert connection.execute(select(console_jobs.c.state)).scalars().all() == ["failed"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_that_was_moved_goes_on_as_it_was(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path, kind: str
) -> None:
    file = backed_up(night, tmp_path)
    waits = pending(night.house, *HANDLERS)
    house = anew(night, kind)
    done = restored(house, file, night.clock.now(), moved=True)
    assert done.aftermath is None
    ours = ("alarm",)
    assert [each for each in pending(house, *HANDLERS) if each[0] not in ours] == [
        each for each in waits if each[0] not in ours
    ]


# -- all or nothing --------------------------------------------------------------------------------


def test_only_an_empty_database_is_filled(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    file = backed_up(night, tmp_path)
    house = anew(night)
    restored(house, file, night.clock.now())
    before = rows(house)
    with pytest.raises(BackupUnusable, match="not empty"):
        restored(house, file, night.clock.now())
    assert rows(house) == before


def test_a_backup_is_not_overwritten_and_not_half_there(night: Rehearsal, tmp_path: Path) -> None:
    file = backed_up(night, tmp_path)
    was = file.read_bytes()
    with pytest.raises(BackupRefused, match="exists"):
        backed_up(night, tmp_path)
    assert file.read_bytes() == was
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_no_pin_is_in_it(night: Rehearsal, tmp_path: Path) -> None:
    file = backed_up(night, tmp_path)
    with file.open("rb") as sealed:
        told = b"".join(opened(sealed, [SEALING]))
    assert b"Zanzib" in told
    found = [form for pin in night.pins.values() for form in forms(pin) if form in told]
    assert found == []


def test_what_fails_in_the_middle_leaves_nothing(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backed_up(night, tmp_path)
    house = anew(night, state=Path("elsewhere"))

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restoring, "_vouch", fails)
    with pytest.raises(OSError, match="No space"):
        restored(house, file, night.clock.now(), without_ledger=True)
    with house.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
    assert not list((night.folder / "elsewhere" / "messages").iterdir())
    monkeypatch.setattr(making, "_note", fails)
    with pytest.raises(OSError, match="No space"):
        make(night.house, tmp_path / "another.backup", night.clock.now(), ACTOR)
    assert [each.name for each in tmp_path.glob("*backup*")] == [file.name]
    assert [each.name for each in tmp_path.glob(".*")] == []


def test_whatever_is_damaged_is_refused_before_anything_is_written(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    file = backed_up(night, tmp_path)
    whole = file.read_bytes()
    house = anew(night)
    places = [0, 17, 18, 25, 26, 57, 58, 1000, len(whole) // 2, len(whole) - 1]
    damaged = [whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in places]
    damaged += [whole[:size] for size in (0, 10, 58, 1000, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"\n", whole[1:], b"rubbish" * 100]
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(BackupUnusable):
            restoring.examine(house, file)
    file.write_bytes(whole)
    other = house.configuration.backup.model_copy(update={"sealing_keys": [SecretStr(OTHER.hex())]})
    elsewhere = replace(house, configuration=house.configuration.model_copy(update={"backup": other}))
    with pytest.raises(BackupUnusable, match="another key"):
        restoring.examine(elsewhere, file)
    assert not Path(str(house.database.engine.url.database)).exists()
    # A key that was changed stays behind the new one, and opens what it sealed.
    both = other.model_copy(update={"sealing_keys": [SecretStr(OTHER.hex()), SecretStr(SEALING.hex())]})
    changed = replace(house, configuration=house.configuration.model_copy(update={"backup": both}))
    assert restoring.examine(changed, file).file == file


def test_a_file_that_is_changed_between_its_two_readings_changes_nothing(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    file = backed_up(night, tmp_path)
    house = anew(night)
    backup = restoring.examine(house, file)
    known = restoring.ledgers(house, backup)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20] + bytes(20))
    with pytest.raises(BackupUnusable):
        restoring.restore(house, backup, known, night.clock.now(), ACTOR)
    with house.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0


def test_a_backup_of_a_newer_program_is_refused(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "revision", lambda _: "9999")
    file = backed_up(night, tmp_path)
    monkeypatch.undo()
    with pytest.raises(BackupUnusable, match="newer version"):
        restoring.examine(anew(night), file)


# -- the audit -------------------------------------------------------------------------------------


def test_what_came_after_the_backup_is_said_to_be_lost_and_nothing_else_is(
    night: Rehearsal, anew: Callable[..., House], tmp_path: Path
) -> None:
    at = night.clock.now()
    file = backed_up(night, tmp_path)
    for _ in range(3):
        with night.house.database.write() as connection:
            audit.record(connection, ACTOR, at, "pin.issue", "pin:1")
        outside.follow(night.house, at)
    with night.house.database.read() as connection:
        last = audit.head(connection).id
    house = anew(night)
    restored(house, file, at + DAY)
    found = verdict(house)
    assert found.holds
    (lost,) = found.lost
    assert (lost.at, lost.upto) == (at + DAY, last)
    assert lost.after == last - 4  # the backup's own act came after it, too
    assert "audit-changed" not in alarms(house)
    # From here on it is as ever: what goes is found.
    with house.database.write() as connection:
        newest = audit.head(connection).id
        connection.execute(metadata.tables["audit_details"].delete().where(audit_of(newest)))
        connection.execute(audit_table.delete().where(audit_table.c.id == newest))
    assert [fault.kind for fault in verdict(house).faults] == ["anchor-gone"]


def audit_of(number: int) -> Any:
    return metadata.tables["audit_details"].c.audit_id == number


def test_an_older_backup_brings_back_what_was_purged_since(tmp_path: Path) -> None:
    log = anchors.anchors_in(tmp_path, SIGNING)
    heads = {number: audit.Head(number, bytes([number]) * 32) for number in (1, 2, 3, 4)}
    anchors.begin_after(log, NIGHT, heads[1])
    for number in (3, 4):
        anchors.add(log, NIGHT, heads[number])
    anchors.begin_after(log, NIGHT, heads[2])
    assert anchors.read(log).beginning == heads[2]
    anchors.begin_again(log, NIGHT, heads[3], 2)
    found = anchors.read(log)
    assert (found.beginning, found.heads, found.faults) == (heads[1], [heads[3]], [])


# -- by command --------------------------------------------------------------------------------------


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {
        **SECRETS,
        "IVR_SERVICE_SIGNING_KEY": SIGNING.hex(),
        "IVR_BACKUP_SEALING_KEYS": SEALING.hex(),
    }
    configuration(tmp_path, env)
    with fresh_database(tmp_path) as database, database.write() as connection:
        a_case(connection)
        pin_of_acme(connection)
    runner, config = CliRunner(env=env), str(tmp_path / "config.toml")
    file = tmp_path / "a.backup"

    def run(*arguments: str) -> Any:
        return runner.invoke(ivr, ["--config", config, *arguments])

    made = json.loads(run("backup", str(file), "--json").stdout)
    assert made["rows"] > 5
    assert made["in_ledger"] is True
    refused = run("backup", str(file))
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert run("pin", "revoke", "1").exit_code == 0
    for each in tmp_path.glob("ivr.db*"):
        each.unlink()
    done = run("restore", str(file), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["revoked"] == 1
    assert (tmp_path / "ivr.db").stat().st_mode & 0o777 == 0o600
    checked = run("audit", "verify")
    assert checked.exit_code == 0, checked.output
    assert "a backup was restored" in checked.output
    assert json.loads(run("pin", "list", "--json").stdout)["pins"][0]["status"] == "revoked"
    again = run("restore", str(file))
    assert again.exit_code == 1
    assert "not empty" in again.stderr
    # Without the ledger nobody is asked, unless somebody is there; and nothing is done.
    for each in tmp_path.glob("ivr.db*"):
        each.unlink()
    (tmp_path / "state" / ledger.FILE).unlink()
    assert run("restore", str(file)).exit_code == 1
    assert not (tmp_path / "ivr.db").exists()
    with monkeypatch.context() as patched:
        patched.setattr(backups, "_somebody_is_there", lambda: True)
        no = runner.invoke(ivr, ["--config", config, "restore", str(file)], input="n\n")
        assert no.exit_code == 1
        assert "all the same?" in no.stderr
        assert not (tmp_path / "ivr.db").exists()
        yes = runner.invoke(ivr, ["--config", config, "restore", str(file)], input="y\n")
        assert yes.exit_code == 0, yes.output
    for each in tmp_path.glob("ivr.db*"):
        each.unlink()
    (tmp_path / "state" / ledger.FILE).unlink()
    told = run("restore", str(file), "--without-ledger")
    assert told.exit_code == 0, told.output
    assert "without a ledger" in told.output


def pin_of_acme(connection: Any) -> None:
    registry.issue(connection, ACTOR, NIGHT, "ACME", registry.draw(PinIndex(pin_settings()), 8))
