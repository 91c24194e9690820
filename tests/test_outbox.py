"""A letter that waits to be mailed: unreadable wherever it lies, delivered once, given up after a day."""

from __future__ import annotations

import base64
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mail_server import Server, mail_server
from making import ACTOR, NIGHT, configuration, everything_written, fresh_database, opened_at
from sqlalchemy import select, text

from console.house import House, state_folder
from console.outbound import letter_mail
from console.outbound.letter_mail import outbox_folder
from console.processes.worker import tick
from console.settings import MailSettings
from console.work import APART, HANDLERS, mail
from pins import customers, outbox, registry
from pins.index import PinIndex
from pins.letters import Letter
from storage import alarms
from storage.engine import Database
from storage.tables import due_work

CANARY = "48120937"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_server_rests() -> Iterator[None]:
    mail._resting.clear()
    yield
    mail._resting.clear()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    with mail_server(folder) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, server: Server) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield the_house(tmp_path, database, server.settings, str(server.ca_file))


def the_house(folder: Path, database: Database, settings: MailSettings, ca_file: str) -> House:
    at = configuration(folder)
    return House(
        at.model_copy(
            update={
                "mail": settings.model_copy(update={"ca_file": ca_file}),
                "notices": at.notices.model_copy(update={"admins": ["admin@example.net"]}),
                "service": at.service.model_copy(update={"languages": ["it", "en", "de"]}),
            }
        ),
        database,
    )


def queued(house: House, pin: str = CANARY) -> int:
    """ACME's PIN `pin`, its letter in the outbox. Returns the PIN's id."""
    index = PinIndex(house.configuration.pins)
    with house.database.write() as connection:
        acme = customers.add_customer(
            connection, ACTOR, NIGHT, "Acme", code="ACME", email="acme@example.net", letters_by_email=True
        )
    new = registry.NewPin(pin, tuple(index.digests(pin)))
    with house.database.write() as connection:
        pin_id = registry.issue(connection, ACTOR, NIGHT, "ACME", new)
    letter = Letter(pin, pin_id, acme, "", "it", NIGHT.date())
    put = letter_mail.post(house.configuration, NIGHT)(letter)
    assert put is not None
    with house.database.write() as connection:
        put(connection)
    return pin_id


def row(house: House) -> Any:
    with house.database.read() as connection:
        return connection.execute(select(due_work).where(due_work.c.kind == outbox.LETTER)).one()


def raised(house: House) -> list[dict[str, Any]]:
    with house.database.read() as connection:
        found = connection.execute(select(due_work.c.payload).where(due_work.c.kind == alarms.ALARM))
        return [dict(payload) for payload in found.scalars()]


def deliver(house: House, at: datetime) -> int:
    return tick(house, at, {outbox.LETTER: HANDLERS[outbox.LETTER]})


def files(house: House) -> list[Path]:
    return sorted(outbox_folder(house.configuration).iterdir())


def ways_to_write(pin: str) -> list[bytes]:
    """A PIN as it might lie somewhere: plain, spaced, reversed, hex, base64, URL-encoded."""
    spaced = [" ".join(pin), f"{pin[:4]} {pin[4:]}", f"{pin[:4]}-{pin[4:]}", pin[::-1]]
    plain = [pin, *spaced, pin.encode().hex(), pin.encode("utf-16-le").hex(), quote(f"{pin[:4]} {pin[4:]}")]
    # In base64 it looks different at each of three places.
    inside = [base64.b64encode(b"x" * shift + pin.encode())[2 * (shift > 0) + 2 : -4] for shift in range(3)]
    return [each.encode() for each in plain] + [pin.encode("utf-16-le"), *inside]


def test_a_letter_is_delivered_and_leaves_nothing(house: House, server: Server) -> None:
    pin_id = queued(house)
    with house.database.read() as connection:
        (waits,) = outbox.waiting(connection)
    assert (waits.pin_id, waits.since, waits.until) == (pin_id, NIGHT, NIGHT + DAY)
    key = row(house).payload["key"]
    assert deliver(house, NIGHT) == 1
    (got,) = server.post.received
    assert server.post.recipients == [["acme@example.net"]]
    text_part, page = got.iter_parts()
    assert "4812 0937" in text_part.get_content()
    assert page.get_content().startswith(b"%PDF")
    assert "4812" not in str(got["Subject"])
    assert files(house) == []
    ended = row(house)
    assert (ended.state, ended.ended_at, ended.payload["key"], ended.payload["to"]) == ("done", NIGHT, "", "")
    assert raised(house) == []
    with house.database.read() as connection:
        assert outbox.waiting(connection) == []
    # Not even the pages of the database that the key stood on.
    with house.database.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    assert key.encode() not in everything_written(house.configuration.folder)
    assert deliver(house, NIGHT + DAY) == 0
    assert len(server.post.received) == 1


def test_no_file_shows_the_pin_while_it_waits_or_after(house: House) -> None:
    queued(house)
    (file,) = files(house)
    assert len(row(house).payload["key"]) > 40
    before = everything_written(house.configuration.folder)
    deliver(house, NIGHT)
    after = everything_written(house.configuration.folder)
    for way in ways_to_write(CANARY):
        assert way not in before, way
        assert way not in after, way
    assert not file.exists()


def test_the_ways_to_write_are_found() -> None:
    for shift in range(3):
        text_in_base64 = base64.b64encode(b"y" * shift + CANARY.encode() + b" and more")
        assert any(way in text_in_base64 for way in ways_to_write(CANARY))


def test_only_the_owner_reads_the_outbox(house: House) -> None:
    before = os.umask(0)
    try:
        queued(house)
    finally:
        os.umask(before)
    folder = outbox_folder(house.configuration)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in files(house)] == [0o600]


def test_neither_half_opens_without_the_other(house: House) -> None:
    queued(house)
    (file,) = files(house)
    sealed = file.read_bytes()
    with house.database.write() as connection:
        (work,) = outbox.due.claim(connection, NIGHT, [outbox.LETTER], lease=MINUTE)
    folder = outbox_folder(house.configuration)
    assert CANARY[:4].encode() in outbox.message_of(work, folder)
    assert work.payload["key"].encode() not in sealed
    other = replace(work, payload={**work.payload, "key": base64.urlsafe_b64encode(bytes(32)).decode()})
    with pytest.raises(outbox.LetterDamaged):
        outbox.message_of(other, folder)


def test_a_passing_refusal_is_tried_again_later_each_time(house: House, server: Server) -> None:
    queued(house)
    server.post.recipient = "450 4.2.1 greylisted"
    assert deliver(house, NIGHT) == 1
    assert row(house).due_at == NIGHT + mail.AGAIN
    assert deliver(house, NIGHT + mail.AGAIN) == 1
    assert row(house).due_at == NIGHT + 3 * mail.AGAIN
    server.post.recipient = "250 OK"
    assert deliver(house, NIGHT + 3 * mail.AGAIN) == 1
    assert len(server.post.received) == 1
    assert raised(house) == []


@pytest.mark.parametrize("where", ["recipient", "data"])
def test_a_refusal_for_ever_is_an_alarm_at_once(house: House, server: Server, where: str) -> None:
    pin_id = queued(house)
    setattr(server.post, where, "550 5.1.1 no such user")
    deliver(house, NIGHT)
    (told,) = raised(house)
    assert (told["what"], told["about"], told["pin"]) == ("letter-refused", f"pin:{pin_id}", pin_id)
    assert "550 5.1.1" in told["why"]
    assert files(house) == []
    assert row(house).payload["key"] == ""
    assert deliver(house, NIGHT + DAY) == 0


def test_a_letter_nobody_took_within_a_day_is_given_up_with_an_alarm(house: House, server: Server) -> None:
    pin_id = queued(house)
    server.post.data = "451 4.3.0 try later"
    for at in (NIGHT, NIGHT + 12 * 60 * MINUTE, NIGHT + DAY - MINUTE):
        deliver(house, at)
        assert raised(house) == []
        assert at < row(house).due_at <= min(at + mail.AGAIN_AT_MOST, NIGHT + DAY)
    at = NIGHT + DAY
    server.post.data = "250 taken"
    deliver(house, at)
    assert server.post.received == []
    (told,) = raised(house)
    assert (told["what"], told["pin"]) == ("letter-expired", pin_id)
    assert files(house) == []
    assert (row(house).state, row(house).payload["key"]) == ("done", "")
    # And the admins are told, though they were not told of the PIN.
    tick(house, at + MINUTE, {alarms.ALARM: HANDLERS[alarms.ALARM]})
    (got,) = server.post.received
    assert "ACME" in got.get_content()
    assert CANARY not in got.as_string()


def test_a_server_that_dies_and_comes_back(house: House, server: Server) -> None:
    queued(house)
    server.post.dies = True
    deliver(house, NIGHT)
    assert server.post.received == []
    assert len(files(house)) == 1
    server.post.dies = False
    deliver(house, row(house).due_at)
    assert len(server.post.received) == 1


def test_a_letter_another_node_wrote_waits_for_that_node(house: House, server: Server) -> None:
    queued(house)
    (file,) = files(house)
    away = house.configuration.folder / "away"
    file.rename(away)
    deliver(house, NIGHT)
    assert NIGHT < row(house).due_at < NIGHT + MINUTE
    away.rename(file)
    deliver(house, NIGHT + MINUTE)
    assert len(server.post.received) == 1


def test_a_damaged_file_is_not_silence(house: House, server: Server) -> None:
    queued(house)
    (file,) = files(house)
    file.write_bytes(b"rubbish")
    deliver(house, NIGHT)
    assert [told["what"] for told in raised(house)] == ["letter-refused"]
    assert files(house) == []


def test_one_failure_spares_the_others_the_wait(house: House, server: Server) -> None:
    queued(house)
    with house.database.write() as connection:
        alarms.raise_alarm(connection, NIGHT, "pin-budget")
    server.post.data = "451 4.3.0 try later"
    tick(house, NIGHT, {kind: HANDLERS[kind] for kind in APART["mail"]})
    assert len([each for each in server.post.commands if each.startswith("MAIL")]) == 1
    server.post.data = "250 taken"
    tick(house, NIGHT + MINUTE, {kind: HANDLERS[kind] for kind in APART["mail"]})
    assert len(server.post.received) == 2


def test_a_letter_is_sent_twice_only_if_its_end_could_not_be_written(
    house: House, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(house)

    def crash(*_: object) -> None:
        raise RuntimeError("the worker died")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "end", crash)
        deliver(house, NIGHT)
    deliver(house, NIGHT + 2 * MINUTE)
    first, second = server.post.received
    assert first["Message-ID"] == second["Message-ID"]
    assert files(house) == []


def test_a_cancelled_letter_is_never_sent(house: House, server: Server) -> None:
    pin_id = queued(house)
    with house.database.write() as connection:
        assert outbox.cancel(connection, NIGHT, pin_id, ACTOR) == 1
    assert deliver(house, NIGHT) == 0
    assert (row(house).state, row(house).payload["key"], row(house).payload["to"]) == ("cancelled", "", "")
    assert server.post.received == []


def test_the_sweep_takes_what_nobody_waits_for(house: House) -> None:
    queued(house)
    folder = outbox_folder(house.configuration)
    (waits,) = files(house)
    orphan = folder / outbox.seal(folder, b"never committed").file
    os.utime(waits, (NIGHT.timestamp(), NIGHT.timestamp()))
    os.utime(orphan, (NIGHT.timestamp() - 90_000, NIGHT.timestamp() - 90_000))
    mail.sweep(house, NIGHT + MINUTE)
    assert files(house) == [waits]
    mail.sweep(house, NIGHT + DAY)
    assert files(house) == [waits]


def test_the_sweep_of_a_house_without_letters(tmp_path: Path) -> None:
    assert outbox.sweep(tmp_path / "none", NIGHT) == 0


def test_who_wants_no_email_gets_none(house: House) -> None:
    with house.database.write() as connection:
        plain = customers.add_customer(connection, ACTOR, NIGHT, "Plain", email="plain@example.net")
    nowhere = replace(plain, email="", letters_by_email=True)
    write = letter_mail.post(house.configuration, NIGHT)
    for customer in (plain, nowhere):
        assert write(Letter(CANARY, 1, customer, "", "it", NIGHT.date())) is None
    assert not outbox_folder(house.configuration).exists()


def test_nothing_that_holds_a_secret_shows_it(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sealed = outbox.seal(state_folder(house.configuration) / "outbox", CANARY.encode())
    assert sealed.key not in repr(sealed)
    queued(house)
    deliver(house, NIGHT)
    assert CANARY not in caplog.text
    assert "4812 0937" not in caplog.text


def test_both_databases_forget_the_key(database_url: str, tmp_path: Path, server: Server) -> None:
    with opened_at(database_url) as database:
        house = the_house(tmp_path, database, server.settings, str(server.ca_file))
        queued(house)
        assert deliver(house, NIGHT) == 1
        assert (row(house).state, row(house).payload["key"]) == ("done", "")
    assert len(server.post.received) == 1
