"""What a caller said of himself, played to the technician from our own door, and nothing else with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet
from flask.testing import FlaskClient
from making import SID
from werkzeug.test import TestResponse

import console.work.calls
from console.phone import CallerCall
from console.phone.events import Heard
from console.processes import worker
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal
from console.settings import Configuration
from ivr.standby import luggage
from ivr.standby.luggage import Seal
from webhooks.kept import Folder

SOUND = b"ID3" + bytes(range(256)) * 40
RECORDING = "RE" + "2" * 32
UNKNOWN = "+390471999990"
HOUR = timedelta(hours=1)


@pytest.fixture
def house(stage: Callable[..., Rehearsal], shipped_configuration: Configuration) -> Rehearsal:
    """A house at ten in the evening, where whoever has no PIN is heard by a technician."""
    pins = shipped_configuration.pins.model_copy(update={"screen_without_pin": True})
    rehearsal = stage(shipped_configuration.model_copy(update={"pins": pins}))
    rehearsal.play("@ 2026-03-10 22:00")
    return rehearsal


def messages(rehearsal: Rehearsal) -> Path:
    folder = rehearsal.folder / "state" / "messages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seal(rehearsal: Rehearsal) -> Seal:
    return Seal([key.get_secret_value() for key in rehearsal.configuration.service.keys])


def address(rehearsal: Rehearsal, contents: dict[str, Any], sealed_by: Seal | None = None) -> str:
    """An address of our door with these contents, sealed now."""
    sealed = (sealed_by or seal(rehearsal)).close(contents, rehearsal.clock.now())
    return f"/voice/sound?l={sealed}"


def get(rehearsal: Rehearsal, path: str) -> TestResponse:
    client: FlaskClient = rehearsal.app.test_client()
    return client.get(path, buffered=True)


def assert_nothing_is_there(answer: TestResponse, logged: pytest.LogCaptureFixture) -> None:
    assert answer.status_code == 404
    assert SOUND not in answer.data
    assert b"Traceback" not in answer.data
    assert [record for record in logged.records if record.levelno >= logging.ERROR] == []


def on_air(rehearsal: Rehearsal) -> CallerCall:
    """A caller without a PIN has said who he is, and waits."""
    call = rehearsal.exchange.ring(UNKNOWN, "+390461825060")
    call.press("0#")
    call.speak(6, then="#")
    return call


def fetch(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the worker fetch what there is to fetch; the sids it asked for."""
    asked: list[str] = []

    def fetched(_: object, sid: str, folder: Folder) -> str:
        asked.append(sid)
        with folder.writing(f"{sid}.mp3") as file:
            file.write(SOUND)
        return f"{sid}.mp3"

    monkeypatch.setattr(console.work.calls, "fetch_recording", fetched)
    worker.tick(rehearsal.house, rehearsal.clock.now())
    return asked


def played_to(call: CallerCall) -> list[str]:
    """The addresses that were played to whoever picked up."""
    leg = call.leg
    assert leg is not None
    heard = [e.text for e in call.events if isinstance(e, Heard) and e.party == leg.phone]
    return [text.strip("[]") for text in heard if text.startswith("[")]


# -- the way it is meant -------------------------------------------------------------------------------


def test_a_technician_hears_what_was_fetched_before_he_picked_up(
    house: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = on_air(house)
    (sid,) = fetch(house, monkeypatch)
    call.wait()
    assert call.state == "ringing"  # at once: there is nothing to wait for any more
    call.ringing[0].answer()
    (played,) = played_to(call)
    assert played.startswith(f"{PUBLIC_URL}/voice/sound?l=")
    assert sid not in played
    answer = get(house, played.removeprefix(PUBLIC_URL))
    assert (answer.status_code, answer.data) == (200, SOUND)
    assert answer.mimetype == "audio/mpeg"


def test_what_is_not_fetched_in_time_is_not_waited_for_and_not_played(house: Rehearsal) -> None:
    call = on_air(house)
    began = house.clock.now()
    while call.state == "gathering":
        call.wait()
    assert call.state == "ringing"
    assert 8 <= (house.clock.now() - began).total_seconds() <= 11
    call.ringing[0].answer()
    assert played_to(call) == []
    assert any("dal numero" in text for text in call.heard(call.leg.phone if call.leg else ""))


def test_what_is_fetched_while_his_phone_rings_is_played(
    house: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = on_air(house)
    while call.state == "gathering":
        call.wait()
    fetch(house, monkeypatch)
    call.ringing[0].answer()
    assert len(played_to(call)) == 1


def test_it_is_nobody_s_message(house: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched like one, but nobody left it for anybody."""
    call = on_air(house)
    fetch(house, monkeypatch)
    call.hang_up()
    assert house.fact("a message of 6 s") is not None


# -- the address is the proof ----------------------------------------------------------------------------


def test_it_is_good_for_an_hour_and_kept_by_nobody(
    house: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    (messages(house) / f"{RECORDING}.mp3").write_bytes(SOUND)
    path = address(house, luggage.of_sound(RECORDING))
    house.clock.forward(seconds=HOUR.total_seconds())
    answer = get(house, path)
    assert (answer.status_code, answer.data) == (200, SOUND)
    assert answer.headers["Cache-Control"] == "no-store"
    for header in ("ETag", "Set-Cookie", "Expires"):
        assert header not in answer.headers
    house.clock.forward(seconds=1)
    assert_nothing_is_there(get(house, path), caplog)


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param(luggage.of_recording(SID), id="a recording's"),
        pytest.param({"call": SID, "attempt": 1}, id="a leg's"),
        pytest.param({"s": "pin", "l": "it"}, id="a call's"),
        pytest.param({}, id="nothing"),
        pytest.param({"sound": f"../messages/{RECORDING}"}, id="a way round"),
        pytest.param({"sound": f"{RECORDING}\n"}, id="a line's end"),
        pytest.param({"sound": RECORDING.lower()}, id="small letters"),
        pytest.param({"sound": RECORDING[:-1]}, id="too short"),
        pytest.param({"sound": "../../rehearsal.db\x00"}, id="NUL"),
        pytest.param({"sound": "/etc/passwd"}, id="a path"),
        pytest.param({"sound": "notes"}, id="another file"),
        pytest.param({"sound": ""}, id="no name"),
        pytest.param({"sound": None}, id="none"),
        pytest.param({"sound": 7}, id="a number"),
        pytest.param({"sound": {"a": 1}}, id="an object"),
        pytest.param(luggage.of_sound("RE" + "3" * 32), id="one that is not there"),
    ],
)
def test_whatever_else_we_sealed_opens_nothing(
    contents: dict[str, Any], house: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    folder = messages(house)
    (folder / f"{RECORDING}.mp3").write_bytes(SOUND)
    (folder / "notes").write_bytes(SOUND)
    (folder / "notes.mp3").write_bytes(SOUND)
    assert_nothing_is_there(get(house, address(house, contents)), caplog)


def test_only_our_own_seal_opens_it(house: Rehearsal, caplog: pytest.LogCaptureFixture) -> None:
    (messages(house) / f"{RECORDING}.mp3").write_bytes(SOUND)
    foreign = Seal([Fernet.generate_key().decode()])
    good = address(house, luggage.of_sound(RECORDING))
    changed = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
    for path in (
        address(house, luggage.of_sound(RECORDING), foreign),
        changed,
        "/voice/sound",
        "/voice/sound?l=",
        "/voice/sound?l=%00",
        "/voice/sound?l=%ED%A0%80",
        f"/voice/sound?l={RECORDING}",
        f"/voice/sound?l={'A' * 5000}",
    ):
        assert_nothing_is_there(get(house, path), caplog)
    assert get(house, good).status_code == 200


def test_a_folder_of_that_name_is_no_recording(house: Rehearsal, caplog: pytest.LogCaptureFixture) -> None:
    (messages(house) / f"{RECORDING}.mp3").mkdir()
    assert_nothing_is_there(get(house, address(house, luggage.of_sound(RECORDING))), caplog)


def test_a_house_without_messages_has_none(house: Rehearsal, caplog: pytest.LogCaptureFixture) -> None:
    assert_nothing_is_there(get(house, address(house, luggage.of_sound(RECORDING))), caplog)


def test_nothing_else_of_the_folder_can_be_had(house: Rehearsal, caplog: pytest.LogCaptureFixture) -> None:
    (messages(house) / f"{RECORDING}.mp3").write_bytes(SOUND)
    sealed = parse_qs(urlsplit(address(house, luggage.of_sound(RECORDING))).query)["l"][0]
    for path in (
        f"/voice/sound/{RECORDING}.mp3",
        f"/voice/sound/{RECORDING}.mp3?l={sealed}",
        f"/voice/sound/?l={sealed}",
        f"/voice/sound/../{RECORDING}.mp3?l={sealed}",
        f"/messages/{RECORDING}.mp3",
        f"/static/{RECORDING}.mp3",
    ):
        assert_nothing_is_there(get(house, path), caplog)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_can_only_be_asked_for(method: str, house: Rehearsal) -> None:
    file = messages(house) / f"{RECORDING}.mp3"
    file.write_bytes(SOUND)
    path = address(house, luggage.of_sound(RECORDING))
    answer = house.app.test_client().open(path, method=method, data={"l": "x"})
    assert answer.status_code == 405
    assert file.read_bytes() == SOUND
