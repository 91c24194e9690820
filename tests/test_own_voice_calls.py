"""Calls in which recorded sentences are played, and everything that makes them be spoken instead."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import event, select
from voices import reading

from console.house import House
from console.phone import CallerCall
from console.phone.events import Failed, Heard
from console.processes.doors import sealing
from console.processes.keyholder import node_name
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal
from console.settings import Configuration
from console.voice import listing as own_voice
from console.voice.keeping import VoiceKeeper
from console.voice.playing import shelf_of
from ivr import journal
from ivr.own_voice import checking, kept, lines
from ivr.own_voice.checking import Prepared
from ivr.own_voice.kept import Recording
from ivr.own_voice.lines import Sentence
from ivr.own_voice.shelf import Entry
from ivr.standby.luggage import Seal
from pins import keyring
from storage.tables import audit as table

ACTOR = "test"
LINE, OTHER = "+390461825060", "+390461402406"
CALLER = "+393471112201"
NIGHT = "@ 2026-03-10 22:00"
WELCOME = "welcome-night"


@pytest.fixture
def house(stage: Callable[..., Rehearsal]) -> Rehearsal:
    """A house at ten in the evening."""
    rehearsal = stage()
    rehearsal.play(NIGHT)
    return rehearsal


@cache
def read_aloud(sentence: Sentence, hertz: float) -> Prepared:
    """As quickly as may be: the sound is made of numbers, one by one."""
    return lines.recorded(sentence, reading(sentence.text, seconds=len(sentence.text) / 30, hertz=hertz))


def record(
    house: Rehearsal, name: str = WELCOME, *, number: str = "", language: str = "it", hertz: float = 440
) -> Recording:
    """Somebody reads the sentence aloud."""
    at = house.clock.now()
    sentence = lines.sentence(own_voice.speaker(house.configuration), language, at, name)
    made = read_aloud(sentence, hertz)
    with house.house.database.write() as connection:
        return kept.put(
            connection,
            ACTOR,
            at,
            number=number,
            language=language,
            line=name,
            text=sentence.text,
            prepared=made,
        )


def keep(house: Rehearsal) -> VoiceKeeper:
    keeper = VoiceKeeper(house.house)
    keeper.keep(house.clock.now())
    return keeper


def played(recording: Recording, house: Rehearsal) -> str:
    """What a caller hears of it, as the telephone writes it."""
    mark = sealing(house.configuration).mark(recording.digest)
    return f"[{PUBLIC_URL}/voice/recorded/{mark}/{recording.digest}.wav]"


def first_heard(house: Rehearsal, number: str = LINE) -> str:
    """What a caller hears first; he then hangs up."""
    call = house.exchange.ring(CALLER, number)
    said = call.heard()[0]
    call.hang_up()
    return said


def spoken(said: str) -> bool:
    return said.startswith("Cloudfabric")


# -- played ------------------------------------------------------------------------------------


def test_a_call_is_played_what_was_recorded_from_the_first_word_to_the_case(house: Rehearsal) -> None:
    mine = {name: record(house, name, hertz=300 + 40 * n) for n, name in enumerate(
        (WELCOME, "pin-wrong", "pin-again", "urgency-menu", "ringing-first"))}  # fmt: skip
    keep(house)
    house.play(
        f"""\
{NIGHT}
* acme calls trento
< [{played(mine[WELCOME], house)[1:-1]}]
> wrong PIN
< {played(mine["pin-wrong"], house)}
< {played(mine["pin-again"], house)}
> PIN acme
< Lei chiama per
< {played(mine["urgency-menu"], house)}
> 1
< Il caso
< {played(mine["ringing-first"], house)}
* anna's phone rings
* anna answers
anna < Chiamata
anna > 1
* anna and acme are connected
* they talk for 1 minutes
* the call ends
* case P1+ is connected and not pursued
"""
    )
    call = house.exchange.calls[-1]
    said = [each for each in call.events if isinstance(each, Heard) and each.party == call.party]
    assert said[0].text == played(mine[WELCOME], house)
    # It takes as long as the sound, not as its address would if it were read.
    assert (said[1].at - said[0].at).total_seconds() < mine[WELCOME].seconds + 15


def test_each_number_and_language_has_its_own_before_the_common_one(house: Rehearsal) -> None:
    everywhere = record(house, hertz=300)
    here = record(house, number=LINE, hertz=500)
    english = record(house, "language-offer", language="en", hertz=700)
    keep(house)
    assert first_heard(house, LINE) == played(here, house)
    assert first_heard(house, OTHER) == played(everywhere, house)
    call = house.exchange.ring(CALLER, LINE)
    assert played(english, house) in call.heard(), "a sentence in another language than the call's"
    with house.house.database.write() as connection:
        kept.remove(connection, ACTOR, house.clock.now(), here.id)
    keep(house)
    assert first_heard(house, LINE) == played(everywhere, house)


def test_the_journal_and_the_stored_answer_keep_the_words(house: Rehearsal) -> None:
    record(house)
    keep(house)
    call = house.exchange.ring(CALLER, LINE)
    with house.house.database.read() as connection:
        stored = journal.last_answer(connection, call.sid)
    assert stored is not None
    said = json.loads(stored)["parts"][0]["prompts"][0]
    assert said["text"].startswith("Cloudfabric, emergenze")
    assert said["recording"].endswith(".wav")


def test_a_recording_that_was_replaced_can_be_heard_for_some_days_and_then_is_gone(house: Rehearsal) -> None:
    first = record(house, hertz=300)
    keeper = keep(house)
    second = record(house, hertz=500)
    keeper.keep(house.clock.now())
    assert first_heard(house) == played(second, house)
    door, address = house.app.test_client(), played(first, house)[1:-1].removeprefix(PUBLIC_URL)
    assert door.get(address).data[:4] == b"RIFF"
    house.clock.forward(seconds=(kept.STAYS + timedelta(minutes=1)).total_seconds())
    keeper.keep(house.clock.now())  # the row goes
    house.clock.forward(seconds=660)
    keeper.keep(house.clock.now())  # and then the file
    assert shelf_of(house.configuration).digests() == {second.digest}
    assert first_heard(house) == played(second, house)


# -- spoken ------------------------------------------------------------------------------------


def test_until_the_worker_has_brought_it_to_the_disk_it_is_spoken(house: Rehearsal) -> None:
    record(house)
    assert spoken(first_heard(house))
    keep(house)
    assert not spoken(first_heard(house))


Spoils = Callable[[Rehearsal, Recording], object]
SPOILED: dict[str, Spoils] = {
    "the file is gone": lambda house, it: shelf_of(house.configuration).discard(it.digest),
    "the file was changed": lambda house, it: tamper(shelf_of(house.configuration).file(it.digest)),
    "the index is gone": lambda house, it: index(house).unlink(),
    "the index was changed": lambda house, it: tamper(index(house)),
    "the index is cut off": lambda house, it: index(house).write_bytes(index(house).read_bytes()[:100]),
    "the index is of another key": lambda house, it: forge(house, bytes(32)),
    "the index is signed as the snapshot is": lambda house, it: forge(house, signing_key(house)),
    "the index is a day old": lambda house, it: house.clock.forward(hours=24, seconds=1),
    "the index is of the future": lambda house, it: postdate(house),
}


def index(house: Rehearsal) -> Path:
    return shelf_of(house.configuration).folder / "index"


def tamper(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-2] ^= 1
    file.write_bytes(raw)


def signing_key(house: Rehearsal) -> bytes:
    return bytes.fromhex(house.configuration.service.signing_key.get_secret_value())


def forge(house: Rehearsal, key: bytes) -> None:
    """The very same index, signed with another key."""
    shelf = shelf_of(house.configuration)
    at, entries = shelf.read_index()
    shelf._key = key
    shelf.write_index(at, entries)


def postdate(house: Rehearsal) -> None:
    shelf = shelf_of(house.configuration)
    shelf.write_index(house.clock.now() + timedelta(minutes=11), shelf.read_index()[1])


def test_whatever_is_wrong_with_it_the_sentence_is_spoken(house: Rehearsal) -> None:
    """And played again when it is mended."""
    recording = record(house)
    for what, spoil in SPOILED.items():
        keep(house)
        assert not spoken(first_heard(house)), f"before {what}"
        spoil(house, recording)
        call = house.exchange.ring(CALLER, LINE)
        call.hang_up()
        assert spoken(call.heard()[0]), what
        assert not [each for each in call.events if isinstance(each, Failed)], what


def test_a_sentence_that_is_worded_otherwise_today_is_spoken(
    stage: Callable[..., Rehearsal], shipped_configuration: Configuration
) -> None:
    house = stage()
    house.play(NIGHT)
    recording = record(house)
    keep(house)
    renamed = shipped_configuration.service.model_copy(update={"name": "Cloudfabric Nord"})
    other = stage(shipped_configuration.model_copy(update={"service": renamed}))
    other.play(NIGHT)
    with house.house.database.read() as connection:
        sound = kept.content(connection, recording.digest)
    assert sound is not None
    shelf = shelf_of(other.configuration)
    shelf.put(recording.digest, sound)
    shelf.write_index(other.clock.now(), [Entry("", "it", WELCOME, recording.text, recording.digest)])
    assert first_heard(other).startswith("Cloudfabric Nord, emergenze")


def test_a_recording_that_cannot_be_had_ends_no_call(
    house: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    """The network met an error in the middle of the call: what it is answered then is spoken."""
    recording = record(house)
    keep(house)
    call = house.exchange.ring(CALLER, LINE)
    with caplog.at_level(logging.CRITICAL):
        again = house.exchange.post(
            house.exchange.fallback_url, {**call.parameters(), "ErrorCode": "11200", "ErrorUrl": "x"}
        )
    assert b"<Play>" not in again.body
    assert b"Cloudfabric, emergenze fuori orario" in again.body
    assert recording.digest.encode() not in again.body


def test_a_turn_that_is_asked_again_gets_the_same_answer_whatever_became_of_the_recording(
    house: Rehearsal,
) -> None:
    """Played it stays played, and its address still answers; spoken it stays spoken."""
    shelf, exchange = shelf_of(house.configuration), house.exchange

    def arrives(call: CallerCall) -> bytes:
        return exchange.post(exchange.voice_url, call.parameters()).body

    call = exchange.ring(CALLER, LINE)
    before = arrives(call)
    assert b"<Play>" not in before
    recording = record(house)
    keep(house)
    assert arrives(call) == before
    call.hang_up()
    other = exchange.ring(CALLER, LINE)
    played_once = arrives(other)
    assert recording.digest.encode() in played_once
    shelf.discard(recording.digest)
    with house.house.database.write() as connection:
        kept.remove(connection, ACTOR, house.clock.now(), recording.id)
    assert arrives(other) == played_once
    path = played(recording, house)[1:-1].removeprefix(PUBLIC_URL)
    answer = house.app.test_client().get(path)
    assert checking.digest_of(answer.data) == recording.digest


# -- the address -------------------------------------------------------------------------------


def test_the_address_is_kept_for_ever_and_nobody_can_make_one_up(house: Rehearsal) -> None:
    recording = record(house)
    keep(house)
    door = house.app.test_client()
    path = played(recording, house)[1:-1].removeprefix(PUBLIC_URL)
    answer = door.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "audio/wav")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    with house.house.database.read() as connection:
        assert answer.data == kept.content(connection, recording.digest)
    start, mark, name = path.rsplit("/", 2)
    for wrong in (
        f"{start}/{'0' * 32}/{name}",
        f"{start}/{mark}/{'0' * 64}.wav",
        f"{start}/{mark}/../{name}",
        f"{start}/{mark}/..%2f..%2fsnapshot.wav",
        f"{start}/{mark}/index",
        f"{start}/{mark}é/{name}",
        f"{start}//{name}",
    ):
        assert door.get(wrong).status_code == 404, wrong
    assert door.post(path).status_code == 405


def test_an_address_of_ours_always_answers_with_a_sound(house: Rehearsal) -> None:
    """Nothing on the disk, nothing in the database: a short tone, which nobody keeps."""
    mark = sealing(house.configuration).mark("a" * 64)
    answer = house.app.test_client().get(f"/voice/recorded/{mark}/{'a' * 64}.wav")
    assert (answer.status_code, answer.mimetype, answer.data[:4]) == (200, "audio/wav", b"RIFF")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_key_that_was_replaced_still_opens_the_addresses_it_made() -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    made = Seal([old]).mark("a")
    assert Seal([new, old]).marked("a", made)
    assert not Seal([new]).marked("a", made)
    assert not Seal([new, old]).marked("b", made)


# -- the database away, and two nodes ------------------------------------------------------------


def test_with_the_database_away_it_is_still_played(house: Rehearsal) -> None:
    recording = record(house)
    keep(house)
    house.outage("the database goes away")
    call = house.exchange.ring(CALLER, LINE)
    assert call.heard()[0] == played(recording, house)
    call.hang_up()
    # The file goes, too: nothing can bring it back now.
    shelf_of(house.configuration).discard(recording.digest)
    assert spoken(first_heard(house))


def neighbour(house: Rehearsal, folder: Path) -> House:
    """A second node on the same database, with a disk and an address of its own."""
    service = house.configuration.service.model_copy(update={"listen": "127.0.0.1:9090"})
    other = house.configuration.model_copy(update={"service": service, "folder": folder})
    return dataclasses.replace(house.house, configuration=other)


def serves(house: House, at: object) -> None:
    """The node is started at `at`."""
    with house.database.write() as connection:
        keyring.note_holder(connection, at, node_name(house.configuration), 1)  # type: ignore[arg-type]


def on_two_nodes(house: Rehearsal, tmp_path: Path) -> tuple[House, Recording, VoiceKeeper, VoiceKeeper]:
    """The other of two nodes that serve, a recording, and who brings it to this one and to that."""
    other = neighbour(house, tmp_path)
    for node in (house.house, other):
        serves(node, house.clock.now())
    return other, record(house), VoiceKeeper(house.house), VoiceKeeper(other)


def test_it_is_played_only_when_every_node_has_it(house: Rehearsal, tmp_path: Path) -> None:
    at = house.clock.now()
    other, recording, ours, theirs = on_two_nodes(house, tmp_path)
    ours.keep(at)
    assert spoken(first_heard(house)), "the other node has not got it yet"
    with house.house.database.read() as connection:
        rows = own_voice.listing(connection, house.configuration, "it", at)
    (standing,) = [each for _, found in rows for each in found]
    assert (standing.state, standing.nodes) == ("waiting", (node_name(other.configuration),))
    theirs.keep(at)
    assert shelf_of(other.configuration).content(recording.digest) is not None
    assert ours.keep(at), "it sees what the other has noted"
    assert first_heard(house) == played(recording, house)
    assert not ours.keep(at), "nothing has changed"


def test_what_is_put_while_the_worker_is_at_it_is_brought_at_the_next_tick(
    house: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, put = VoiceKeeper(house.house), []
    fetch = keeper._fetch

    def fetch_and_wait(wanted: set[str]) -> None:
        fetch(wanted)
        put.append(record(house))

    monkeypatch.setattr(keeper, "_fetch", fetch_and_wait)
    keeper.keep(house.clock.now())
    monkeypatch.undo()
    assert spoken(first_heard(house))
    assert keeper.keep(house.clock.now())
    assert first_heard(house) == played(put[0], house)


def test_a_full_disk_is_said_once_and_tried_at_each_tick(
    house: Rehearsal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recording, keeper = record(house), VoiceKeeper(house.house)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeper.shelf, "write_index", full)
    assert [keeper.keep(house.clock.now()) for _ in range(3)] == [False] * 3
    assert caplog.text.count("cannot be brought to the disk") == 1
    monkeypatch.undo()
    assert keeper.keep(house.clock.now())
    assert first_heard(house) == played(recording, house)


def test_a_node_that_comes_later_is_waited_for(house: Rehearsal, tmp_path: Path) -> None:
    """Also one that was there before and starts again, perhaps with an earlier release."""
    at = house.clock.now()
    other, recording, ours, theirs = on_two_nodes(house, tmp_path)
    theirs.keep(at)
    ours.keep(at)
    assert first_heard(house) == played(recording, house)
    house.clock.forward(seconds=60)
    serves(other, house.clock.now())
    ours.keep(house.clock.now())
    assert spoken(first_heard(house))
    theirs.keep(house.clock.now())
    ours.keep(house.clock.now())
    assert first_heard(house) == played(recording, house)


def test_a_node_that_is_asked_for_what_it_has_not_takes_it_from_the_database(house: Rehearsal) -> None:
    recording = record(house)
    keep(house)
    shelf = shelf_of(house.configuration)
    path = played(recording, house)[1:-1].removeprefix(PUBLIC_URL)
    for spoil in (lambda: shelf.discard(recording.digest), lambda: tamper(shelf.file(recording.digest))):
        spoil()
        answer = house.app.test_client().get(path)
        assert checking.digest_of(answer.data) == recording.digest
        assert shelf.content(recording.digest) == answer.data


def test_what_was_changed_in_the_database_is_not_played(house: Rehearsal) -> None:
    recording = record(house)
    with house.house.database.write() as connection:
        connection.execute(kept.own_prompts.update().values(content=b"RIFF of somebody else"))
    keep(house)
    assert shelf_of(house.configuration).content(recording.digest) is None
    assert spoken(first_heard(house))


# -- kept --------------------------------------------------------------------------------------


def test_putting_and_removing_are_audited_and_the_same_again_is_nothing(house: Rehearsal) -> None:
    first = record(house)
    assert record(house) == first
    second = record(house, hertz=300)
    with house.house.database.write() as connection:
        kept.remove(connection, ACTOR, house.clock.now(), second.id)
        with pytest.raises(kept.UnknownRecording):
            kept.remove(connection, ACTOR, house.clock.now(), second.id)
        found = connection.execute(select(table.c.act, table.c.subject).order_by(table.c.id.desc()).limit(3))
        acts = [tuple(row) for row in found]
    assert acts == [
        ("prompt.remove", kept.subject(second.id)),
        ("prompt.put", kept.subject(second.id)),
        ("prompt.put", kept.subject(first.id)),
    ]
    with house.house.database.read() as connection:
        assert kept.standing(connection) == []


def test_without_a_signing_key_all_is_spoken_and_nothing_is_written(house: Rehearsal) -> None:
    service = house.configuration.service.model_copy(update={"signing_key": SecretStr("")})
    unsigned = dataclasses.replace(
        house.house, configuration=house.configuration.model_copy(update={"service": service})
    )
    record(house)
    assert not VoiceKeeper(unsigned).keep(house.clock.now())
    with house.house.database.read() as connection:
        rows = own_voice.listing(connection, unsigned.configuration, "it", house.clock.now())
    assert [each.state for _, found in rows for each in found] == ["unsigned"]


def test_a_call_asks_the_database_nothing_more(house: Rehearsal) -> None:
    asked: list[str] = []
    engine = house.house.database.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    def count() -> int:
        asked.clear()
        first_heard(house)
        return len(asked)

    plain = count()
    record(house)
    keep(house)
    assert count() == plain
    assert isinstance(house.exchange.calls[-1], CallerCall)
