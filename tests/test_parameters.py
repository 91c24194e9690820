"""What may be read of a signed request, and which signed requests are refused all the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from making import ACCOUNT, NIGHT, SID, TOKEN, configuration, fresh_database
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Forbidden

from console.house import House
from console.processes.doors import webhook_app
from ivr.tables import calls
from ivr.vocabulary import Recording
from storage.engine import Database
from webhooks.parameters import MOST_PARAMETERS, Parameters

RE = "RE" + "0" * 31 + "1"
URL = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RE}"


def parameters(*more: tuple[str, str], **given: str) -> Parameters:
    form = {"CallSid": SID, "AccountSid": ACCOUNT, "From": "+393471112201", "To": "+390461825060", **given}
    return Parameters(MultiDict([*form.items(), *more]), ACCOUNT)


def test_what_a_call_tells() -> None:
    got = parameters(
        Digits="38205917", DialCallStatus="completed", DialBridged="true", CallStatus="in-progress"
    )
    assert got.call_sid == SID
    assert got.caller == "+393471112201"
    assert got.number({"+390461825060"}) == "+390461825060"
    assert (got.digits, got.dial_status, got.bridged) == ("38205917", "completed", True)
    assert not got.gone
    assert not got.is_leg
    assert got.parent_sid is None
    assert got.recording() is None


def test_silence_and_no_keys_at_all_are_told_apart() -> None:
    assert parameters().digits is None
    assert parameters(Digits="").digits == ""


@pytest.mark.parametrize(
    "sid", ["", "CA1", SID.lower(), SID + "0", SID[:-1] + "g", SID + "\n", "RE" + SID[2:], " " + SID]
)
def test_a_call_has_a_call_sid(sid: str) -> None:
    with pytest.raises(BadRequest):
        parameters(CallSid=sid)


@pytest.mark.parametrize("account", ["", "AC" + "f" * 32, ACCOUNT.upper(), ACCOUNT + "\n"])
def test_another_account_is_refused(account: str) -> None:
    with pytest.raises(Forbidden):
        parameters(AccountSid=account)


@pytest.mark.parametrize("number", ["", "+390461000001", "+39 0461 825060", "anonymous", "+390461825060 "])
def test_another_number_is_refused(number: str) -> None:
    with pytest.raises(Forbidden):
        parameters(To=number).number({"+390461825060"})


@pytest.mark.parametrize("name", ["Digits", "CallSid", "AccountSid", "To", "Anything"])
def test_a_parameter_stands_once(name: str) -> None:
    with pytest.raises(BadRequest):
        parameters((name, "1"), (name, "1"))


def test_many_parameters_are_too_many() -> None:
    parameters(*((f"P{n}", "") for n in range(MOST_PARAMETERS - 4)))
    with pytest.raises(BadRequest):
        parameters(*((f"P{n}", "") for n in range(MOST_PARAMETERS - 3)))


def test_new_parameters_may_appear_at_any_time() -> None:
    assert parameters(StirVerstat="A", CallToken="{}", SpeechResult="x" * 10_000).call_sid == SID


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Digit", "s1"),
        ("Di", "gits1"),
        ("Digits1", ""),
        ("CallerZip", "38100Digits"),
        ("DialBridge", "dtrue"),
        ("DialCallStatuscompleted", ""),
        ("Parent", "CallSidCA1"),
        ("RecordingUr", "lhttps://evil.example"),
    ],
)
def test_a_name_hidden_across_a_border_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadRequest):
        parameters(**{name: value})


def test_a_name_that_stands_openly_hides_nothing() -> None:
    assert parameters(Digits="1", CallerName="Digits Ltd").digits == "1"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("anonymous", "anonymous"),
        ("sip:x@y", "sip:x@y"),
        ("+266696687", "+266696687"),
        ("+39347\n1112201\x00", "+393471112201"),
        ("x" * 500, "x" * 100),
    ],
)
def test_a_caller_is_kept_as_it_came_but_printable_and_short(sent: str, kept: str) -> None:
    assert parameters(From=sent).caller == kept


def test_a_caller_may_be_missing() -> None:
    assert Parameters(MultiDict({"CallSid": SID, "AccountSid": ACCOUNT}), ACCOUNT).caller == ""


@pytest.mark.parametrize(
    ("given", "leg"),
    [
        ({}, False),
        ({"Direction": "inbound"}, False),
        ({"Direction": "outbound-dial"}, True),
        ({"Direction": "outbound-api"}, True),
        ({"ParentCallSid": "CA" + "2" * 32}, True),
        ({"ParentCallSid": "", "Direction": "inbound"}, True),
    ],
)
def test_a_leg_is_no_caller(given: dict[str, str], leg: bool) -> None:
    assert parameters(**given).is_leg is leg


@pytest.mark.parametrize(
    ("status", "gone"),
    [
        *((status, True) for status in ("completed", "busy", "failed", "no-answer", "canceled")),
        *((status, False) for status in ("queued", "ringing", "in-progress", "", "Completed")),
    ],
)
def test_which_statuses_are_an_end(status: str, gone: bool) -> None:
    assert parameters(CallStatus=status).gone is gone


@pytest.mark.parametrize(
    ("text", "bridged"), [("true", True), ("True", True), ("false", False), ("", False), ("1", False)]
)
def test_bridged(text: str, bridged: bool) -> None:
    assert parameters(DialBridged=text).bridged is bridged


def test_a_recording() -> None:
    assert parameters(RecordingSid=RE, RecordingUrl=URL, RecordingDuration="12").recording() == Recording(
        RE, URL, 12
    )
    # Its name stands in its address alone.
    assert parameters(RecordingUrl=URL + ".mp3", RecordingDuration="7").recording() == Recording(
        RE, URL + ".mp3", 7
    )


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 0),
        ({"RecordingDuration": "-1"}, 0),
        ({"RecordingDuration": "²"}, 0),
        ({"RecordingDuration": "1e3"}, 0),
        ({"RecordingDuration": "999999"}, 86_400),
        ({"RecordingDuration": "9999999"}, 0),
    ],
)
def test_the_length_of_a_recording(given: dict[str, str], seconds: int) -> None:
    found = parameters(RecordingSid=RE, RecordingUrl=URL, **given).recording()
    assert found is not None
    assert found.seconds == seconds


@pytest.mark.parametrize(
    "given",
    [
        {"RecordingUrl": "http://api.twilio.com/" + RE},
        {"RecordingUrl": "file:///etc/passwd", "RecordingSid": RE},
        {"RecordingUrl": "https://api.twilio.com/nothing"},
        {"RecordingUrl": "https://x/" + "a" * 500 + "/" + RE},
        {"RecordingSid": RE},
        {"RecordingUrl": URL, "RecordingSid": "RE1"},
    ],
)
def test_what_is_no_recording(given: dict[str, str]) -> None:
    assert parameters(**given).recording() is None


def test_a_recording_s_status_is_a_word() -> None:
    assert parameters(RecordingStatus="completed").recording_status == "completed"
    assert parameters(RecordingStatus="in-progress\n<x>1").recording_status == "in-progressx"


# -- at the door -------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as database:
        yield database


@pytest.fixture
def client(database: Database, tmp_path: Path) -> FlaskClient:
    return webhook_app(House(configuration(tmp_path), database), lambda: NIGHT).test_client()


FORM = [("AccountSid", ACCOUNT), ("CallSid", SID), ("From", "+393471112201"), ("To", "+390461825060")]


def signature(form: list[tuple[str, str]], path: str = "/voice") -> dict[str, str]:
    """Signed as Twilio signs: duplicates once, sorted."""
    text = f"https://ivr.example.net{path}" + "".join(n + v for n, v in sorted(set(form)))
    digest = hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}


def untouched(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(select(calls)).first() is None


REFUSED: dict[str, tuple[list[tuple[str, str]], int]] = {
    "duplicate Digits": ([*FORM, ("Digits", "1"), ("Digits", "2")], 400),
    "the same twice": ([*FORM, ("Digits", "1"), ("Digits", "1")], 400),
    "another account": ([("AccountSid", "AC" + "f" * 32), *FORM[1:]], 403),
    "no account": (FORM[1:], 403),
    "another number": ([*FORM[:3], ("To", "+390461000001")], 403),
    "no number": (FORM[:3], 403),
    "no CallSid": ([FORM[0], *FORM[2:]], 400),
    "CallSid of another kind": ([FORM[0], ("CallSid", "CAxyz"), *FORM[2:]], 400),
    "CallSid with a line end": ([FORM[0], ("CallSid", SID + "\n"), *FORM[2:]], 400),
    "500 parameters": ([*FORM, *((f"P{n}", "") for n in range(500))], 400),
}


@pytest.mark.parametrize(("form", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_signed_but_refused(
    client: FlaskClient, database: Database, form: list[tuple[str, str]], status: int
) -> None:
    answer = client.post("/voice", data=MultiDict(form), headers=signature(form))
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert untouched(database)


BODIES: dict[str, dict[str, Any]] = {
    "JSON": {"json": dict(FORM)},
    "JSON that calls itself a form's": {"data": b"{}", "content_type": "application/json"},
    "multipart": {"data": dict(FORM), "content_type": "multipart/form-data"},
    "text": {"data": b"CallSid=1", "content_type": "text/plain"},
    "no type": {"data": b"CallSid=1"},
    "nothing": {},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_form(client: FlaskClient, database: Database, body: dict[str, Any]) -> None:
    answer = client.post("/voice", headers=signature([]), **body)
    assert answer.status_code == 415
    assert untouched(database)


def test_a_body_that_is_too_large(client: FlaskClient, database: Database) -> None:
    """Announced; tests/test_fuzz_door.py sends it without its length too."""
    form = b"CallSid=" + b"a" * 1_000_000
    kind = "application/x-www-form-urlencoded"
    assert client.post("/voice", data=form, content_type=kind, headers=signature([])).status_code == 413
    assert untouched(database)


def test_five_thousand_parameters(client: FlaskClient, database: Database) -> None:
    form = [*FORM, *((f"P{n}", "x") for n in range(5000))]
    answer = client.post("/voice", data=MultiDict(form), headers=signature(form))
    assert answer.status_code in (400, 413)
    assert untouched(database)


def test_the_door_has_no_other_addresses(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200
    for path in (
        "/",
        "/login",
        "/console",
        "/metrics",
        "/static/x.css",
        "/voice/turn/-1",
        "/voice/turn/10000",
    ):
        assert client.get(path).status_code in (404, 405), path
        assert client.post(path, data=dict(FORM), headers=signature(FORM, path)).status_code in (404, 405), (
            path
        )


def test_it_is_ready_when_it_can_serve_a_call(client: FlaskClient, database: Database) -> None:
    assert (client.get("/readyz").status_code, client.get("/readyz").text) == (200, "ready\n")
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    near = client.get("/readyz")
    assert near.status_code == 503
    assert "database" in near.text
    # Details only to loopback itself, not to what a proxy there passes on.
    for environment, headers in (
        ({"REMOTE_ADDR": "203.0.113.9"}, {}),
        ({}, {"X-Forwarded-For": "127.0.0.1"}),
    ):
        far = client.get("/readyz", environ_overrides=environment, headers=headers)
        assert (far.status_code, far.text) == (503, "not ready\n")
