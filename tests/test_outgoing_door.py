"""The addresses of calls that we placed: only what Twilio signed about a call of ours has any effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from making import NIGHT
from sqlalchemy import select
from werkzeug.test import TestResponse

from console.house import rules
from console.phone.signature import signature
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal
from ivr import outgoing_desk
from ivr.standby import luggage
from ivr.standby.luggage import Seal
from ivr.tables import outgoing

ANNA = "+393331234501"
SID = "CA" + "a" * 32
HANG_UP = "<Response><Hangup /></Response>"


@pytest.fixture
def house(stage: Callable[..., Rehearsal]) -> Rehearsal:
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    return rehearsal


@pytest.fixture
def placed(house: Rehearsal) -> int:
    with house.house.database.write() as connection:
        return outgoing_desk.begin(
            connection,
            NIGHT,
            rules(house.configuration),
            purpose="test",
            technician="anna",
            phone=ANNA,
            language="it",
        )


def sealed(house: Rehearsal, contents: dict[str, Any]) -> str:
    seal = Seal([key.get_secret_value() for key in house.configuration.service.keys])
    return seal.close(contents, NIGHT)


def post(house: Rehearsal, path: str, token: str | None = None, /, **form: str) -> TestResponse:
    fields = {
        "CallSid": SID,
        "AccountSid": house.account_sid,
        "From": "+390461825060",
        "To": ANNA,
        "Direction": "outbound-api",
        "CallStatus": "in-progress",
        **form,
    }
    believed = signature(token or house.auth_token, PUBLIC_URL + path, list(fields.items()))
    client = house.app.test_client()
    return client.post(path, base_url=PUBLIC_URL, data=fields, headers={"X-Twilio-Signature": believed})


def row(house: Rehearsal) -> Any:
    with house.house.database.read() as connection:
        return connection.execute(select(outgoing)).one()


def test_he_hears_what_he_was_called_for(house: Rehearsal, placed: int) -> None:
    path = f"/voice/out/0?l={sealed(house, luggage.of_outgoing(placed))}"
    first = post(house, path)
    assert "chiamata di prova" in first.text
    assert 'actionOnEmptyResult="true"' in first.text
    assert post(house, path).text == first.text
    assert (row(house).sid, row(house).turn) == (SID, 1)


def test_the_end_is_noted_once(house: Rehearsal, placed: int) -> None:
    path = f"/voice/out/status?l={sealed(house, luggage.of_outgoing(placed))}"
    assert post(house, path, CallStatus="in-progress").status_code == 204
    assert row(house).ended_at is None
    assert post(house, path, CallStatus="no-answer").status_code == 204
    house.clock.forward(seconds=60)
    assert post(house, path, CallStatus="completed").status_code == 204
    assert row(house).status == "no-answer"
    # What comes after the end is hung up.
    answer = post(house, f"/voice/out/0?l={sealed(house, luggage.of_outgoing(placed))}")
    assert HANG_UP in answer.text


@pytest.mark.parametrize(
    "contents", [{}, {"out": 4711}, {"out": "1"}, {"call": SID}, {"out": None}, {"out": [1]}]
)
def test_an_address_that_was_made_for_no_such_call_is_hung_up(
    house: Rehearsal, placed: int, contents: dict[str, Any]
) -> None:
    answer = post(house, f"/voice/out/0?l={sealed(house, contents)}")
    assert (answer.status_code, HANG_UP in answer.text) == (200, True)
    assert row(house).sid is None


def test_an_address_we_never_made_is_hung_up(house: Rehearsal, placed: int) -> None:
    for path in ("/voice/out/0", "/voice/out/0?l=", "/voice/out/0?l=abc", "/voice/out/99?l=x"):
        assert HANG_UP in post(house, path).text
    assert post(house, "/voice/out/status?l=abc", CallStatus="completed").status_code == 403
    assert row(house).ended_at is None


def test_unsigned_is_refused(house: Rehearsal, placed: int) -> None:
    path = sealed(house, luggage.of_outgoing(placed))
    for where in (f"/voice/out/0?l={path}", f"/voice/out/status?l={path}"):
        assert post(house, where, "another token entirely!", CallStatus="completed").status_code == 403
    assert (row(house).sid, row(house).ended_at) == (None, None)


def test_another_call_at_its_address_is_hung_up(house: Rehearsal, placed: int) -> None:
    """A call that was placed twice by mistake: the second has no effect."""
    path = f"/voice/out/0?l={sealed(house, luggage.of_outgoing(placed))}"
    post(house, path)
    other = "CA" + "b" * 32
    assert HANG_UP in post(house, path, CallSid=other).text
    ending = f"/voice/out/status?l={sealed(house, luggage.of_outgoing(placed))}"
    post(house, ending, CallSid=other, CallStatus="completed")
    assert row(house).ended_at is None


def test_a_failure_is_hung_up_and_logged(
    house: Rehearsal, placed: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("ivr.placed.find", fails)
    answer = post(house, f"/voice/out/0?l={sealed(house, luggage.of_outgoing(placed))}")
    assert (answer.status_code, HANG_UP in answer.text) == (200, True)
    assert "failed and was hung up" in caplog.text
