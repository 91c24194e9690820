"""Calls and text messages that we ask Twilio for: what is sent, and what each way to fail is taken for."""

from __future__ import annotations

import base64
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from making import utc
from pydantic import SecretStr

from oncall.notices.channels import CallOut, ChannelFailed, Telephone, TextOut, Texts
from webhooks.outbound import RestTelephone, RestTexts
from webhooks.rest.line import OverHttp
from webhooks.settings import TwilioSettings

ACCOUNT = "AC" + "1" * 32
TOKEN, OTHER_TOKEN = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
CALL, TEXT = "CA" + "2" * 32, "SM" + "3" * 32
ANNA, OURS = "+393331234501", "+390461825060"
AT = utc("2026-03-10 21:00")
CALL_OUT = CallOut(ANNA, OURS, 25, "https://ivr.example.net/a?l=1", "https://ivr.example.net/e?l=2")
TEXT_OUT = TextOut(ANNA, OURS, "Chiamata P1+ da Acme", "https://ivr.example.net/s?l=3")
# The time limits of these tests, to connect and to read; the second for a network that does not answer.
LIMITS = (60.0, 60.0)
NO_ANSWER = (60.0, 0.2)


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    token: str


@dataclass
class Twilio:
    """Twilio's interface on loopback. `answers` are given in turn: a status with JSON and headers, "hang",
    "drop"; after them `last`.
    """

    base: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    last: Any = (201, {"sid": CALL, "status": "queued"}, {})
    tokens: tuple[str, ...] = (TOKEN,)
    released: threading.Event = field(default_factory=threading.Event)
    came: threading.Event = field(default_factory=threading.Event)

    @property
    def limits(self) -> tuple[float, float]:
        return NO_ANSWER if "hang" in (self.last, *self.answers) else LIMITS

    def settings(self, *tokens: str) -> TwilioSettings:
        secrets = [SecretStr(token) for token in tokens or (TOKEN,)]
        return TwilioSettings(account_sid=ACCOUNT, auth_tokens=secrets, api_base=self.base)

    def telephone(self, *tokens: str) -> RestTelephone:
        return RestTelephone(self.settings(*tokens), OverHttp(*self.limits))

    def texts(self, *tokens: str) -> RestTexts:
        return RestTexts(self.settings(*tokens), OverHttp(*self.limits))

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        user, _, token = base64.b64decode(handler.headers["Authorization"].split()[1]).decode().partition(":")
        assert user == ACCOUNT
        self.asked.append(Asked(handler.command, address.path, one(address.query), one(body), token))
        self.came.set()
        if token not in self.tokens:
            answer: Any = (401, {"code": 20003, "message": "Authenticate", "status": 401}, {})
        else:
            answer = self.answers.pop(0) if self.answers else self.last
        if answer == "hang":
            self.released.wait(60)
            return
        if answer == "drop":
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        status, content, headers = answer
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)


def one(query: str) -> dict[str, str]:
    """Every parameter once."""
    parsed = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    assert all(len(values) == 1 for values in parsed.values()), parsed
    return {name: values[0] for name, values in parsed.items()}


@contextmanager
def serving() -> Iterator[Twilio]:
    twilio = Twilio()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            twilio.take(self)

        def do_GET(self) -> None:
            twilio.take(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    twilio.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield twilio
    finally:
        twilio.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    with serving() as served:
        yield served


# -- what is asked -----------------------------------------------------------------------------


def test_they_are_what_the_rota_asks_for(twilio: Twilio) -> None:
    telephone: Telephone = twilio.telephone()
    texts: Texts = twilio.texts()
    assert telephone.place(CALL_OUT) == CALL
    assert texts.send(TEXT_OUT) == CALL


def test_a_call_is_placed(twilio: Twilio) -> None:
    assert twilio.telephone().place(CALL_OUT) == CALL
    (asked,) = twilio.asked
    assert (asked.method, asked.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert asked.form == {
        "To": ANNA,
        "From": OURS,
        "Url": CALL_OUT.answered_at,
        "Method": "POST",
        "StatusCallback": CALL_OUT.ended_at,
        "StatusCallbackMethod": "POST",
        "Timeout": "20",
    }


@pytest.mark.parametrize(("rings", "timeout"), [(10, "5"), (7, "5"), (11, "6"), (60, "55")])
def test_twilio_rings_five_seconds_longer_than_it_is_told(rings: int, timeout: str, twilio: Twilio) -> None:
    twilio.telephone().place(CallOut(ANNA, OURS, rings, "https://a.example", "https://b.example"))
    assert twilio.asked[0].form["Timeout"] == timeout


def test_a_sip_phone_is_called_as_it_is(twilio: Twilio) -> None:
    twilio.telephone().place(CallOut("sip:anna@pbx.example.net", OURS, 25, "https://a.example", "https://b"))
    assert twilio.asked[0].form["To"] == "sip:anna@pbx.example.net"


@pytest.mark.parametrize("sender", [OURS, "Cloudfabric"])
def test_a_text_is_sent(sender: str, twilio: Twilio) -> None:
    twilio.last = (201, {"sid": TEXT}, {})
    text = TextOut(ANNA, sender, "è ora & <subito>", "https://ivr.example.net/s")
    assert twilio.texts().send(text) == TEXT
    (asked,) = twilio.asked
    assert (asked.method, asked.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert asked.form == {
        "To": ANNA,
        "From": sender,
        "Body": "è ora & <subito>",
        "StatusCallback": "https://ivr.example.net/s",
    }


def test_a_text_that_is_too_long_is_not_sent(twilio: Twilio) -> None:
    texts = twilio.texts()
    texts.send(TextOut(ANNA, OURS, "a" * 1600, "https://b.example"))
    with pytest.raises(ChannelFailed, match="21617") as failed:
        texts.send(TextOut(ANNA, OURS, "a" * 1601, "https://b.example"))
    assert failed.value.for_good
    assert len(twilio.asked) == 1


@pytest.mark.parametrize(("path", "sid"), [("Calls", CALL), ("Messages", TEXT)])
def test_how_it_stands(path: str, sid: str, twilio: Twilio) -> None:
    ask = twilio.telephone().status if path == "Calls" else twilio.texts().status
    twilio.answers = [(200, {"sid": sid, "status": "no-answer"}, {}), (404, {"code": 20404}, {})]
    assert ask(sid) == "no-answer"
    assert ask(sid) is None
    assert twilio.asked[0].path == f"/2010-04-01/Accounts/{ACCOUNT}/{path}/{sid}.json"


def test_a_call_is_hung_up_at_any_stage(twilio: Twilio) -> None:
    twilio.answers = [(200, {"sid": CALL, "status": "completed"}, {})]
    twilio.telephone().hang_up(CALL)
    assert twilio.asked[0].form == {"Status": "completed"}


@pytest.mark.parametrize(("status", "code"), [(400, 21220), (404, 20404)])
def test_a_call_that_has_ended_is_left_alone(status: int, code: int, twilio: Twilio) -> None:
    twilio.answers = [(status, {"code": code}, {})]
    twilio.telephone().hang_up(CALL)


def test_hanging_up_fails_like_anything_else(twilio: Twilio) -> None:
    twilio.answers = [(429, {"code": 20429}, {"Retry-After": "3"}), (500, {}, {})]
    for wait in (3.0, None):
        with pytest.raises(ChannelFailed) as failed:
            twilio.telephone().hang_up(CALL)
        # Whoever asks again does no harm: nothing has to be looked for first.
        assert (failed.value.wait_seconds, failed.value.maybe_done) == (wait, False)


# -- finding what may have been done -----------------------------------------------------------


def listed(at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "sid": CALL,
        "direction": "outbound-api",
        "status": "queued",
        "to": ANNA,
        "from": OURS,
        "body": TEXT_OUT.text,
        "date_created": format_datetime(at),
        **more,
    }


KINDS: dict[str, tuple[str, str, Callable[[Twilio], str | None]]] = {
    "call": ("calls", "StartTime>", lambda twilio: twilio.telephone().find(CALL_OUT, AT)),
    "text": ("messages", "DateSent>", lambda twilio: twilio.texts().find(TEXT_OUT, AT)),
}
every_kind = pytest.mark.parametrize(("key", "date", "find"), KINDS.values(), ids=KINDS.keys())
Find = Callable[[Twilio], str | None]


def answer(key: str, *rows: dict[str, Any]) -> Any:
    return (200, {key: list(rows), "page": 0, "next_page_uri": None, "uri": "/x"}, {})


@every_kind
def test_the_newest_one_since_then_is_found(key: str, date: str, find: Find, twilio: Twilio) -> None:
    rows = [
        listed(AT + timedelta(seconds=1), sid="CA" + "4" * 32),
        listed(AT + timedelta(seconds=9), sid="CA" + "5" * 32),
        listed(AT - timedelta(seconds=30), sid="CA" + "6" * 32),
    ]
    twilio.answers = [answer(key, *rows)]
    assert find(twilio) == "CA" + "5" * 32
    (asked,) = twilio.asked
    assert asked.method == "GET"
    assert asked.query == {"To": ANNA, "From": OURS, date: "2026-03-10T00:00:00Z", "PageSize": "50"}


@every_kind
def test_what_is_still_queued_has_no_date_to_look_for(
    key: str, date: str, find: Find, twilio: Twilio
) -> None:
    twilio.answers = [answer(key), answer(key, listed(AT))]
    assert find(twilio) == CALL
    assert [date in asked.query for asked in twilio.asked] == [True, False]


@every_kind
@pytest.mark.parametrize(
    ("seconds", "found"), [(0, True), (-10, True), (-11, False)], ids=["now", "clocks differ", "before"]
)
def test_an_older_one_is_not_it(
    seconds: int, found: bool, key: str, date: str, find: Find, twilio: Twilio
) -> None:
    twilio.last = answer(key, listed(AT + timedelta(seconds=seconds)))
    assert find(twilio) == (CALL if found else None)


@every_kind
@pytest.mark.parametrize("direction", ["inbound", "outbound-dial", "outbound-reply"])
def test_another_direction_is_not_it(direction: str, key: str, date: str, find: Find, twilio: Twilio) -> None:
    twilio.last = answer(key, listed(AT, direction=direction))
    assert find(twilio) is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (TEXT_OUT.text, True),
        (TEXT_OUT.text + " ", True),
        ("Sent from your Twilio trial account - " + TEXT_OUT.text, True),
        (TEXT_OUT.text + ".", False),
        ("", False),
        (None, False),
    ],
)
def test_another_text_is_not_it(body: str | None, found: bool, twilio: Twilio) -> None:
    twilio.last = answer("messages", listed(AT, body=body))
    assert (twilio.texts().find(TEXT_OUT, AT) == CALL) is found


def test_just_after_midnight_the_day_before_is_looked_at_too(twilio: Twilio) -> None:
    twilio.last = answer("calls")
    twilio.telephone().find(CALL_OUT, utc("2026-03-10 00:00:04"))
    assert twilio.asked[0].query["StartTime>"] == "2026-03-09T00:00:00Z"


# -- going wrong -------------------------------------------------------------------------------

# What is answered: why, for good, maybe done (of a POST), how long to wait.
FAILURES: dict[str, tuple[Any, str, bool, bool, float | None]] = {
    "no such number": ((400, {"code": 21211}, {}), "21211", True, False, None),
    "opted out": ((400, {"code": 21610}, {}), "21610", True, False, None),
    "no mobile": ((400, {"code": 21614}, {}), "21614", True, False, None),
    "country not allowed, text": ((400, {"code": 21408}, {}), "21408", True, False, None),
    "country not allowed, call": ((400, {"code": 13227}, {}), "13227", True, False, None),
    "without a code": ((400, b"<html>", {}), "HTTP 400", True, False, None),
    "a code that is none": ((400, {"code": "+393331234501 refused"}, {}), "HTTP 400", True, False, None),
    "not found": ((404, b"", {}), "20404", True, False, None),
    "elsewhere": ((307, b"", {"Location": "http://127.0.0.1:9/"}), "HTTP 307", False, False, None),
    "account suspended": ((403, {"code": 20005}, {}), "20005", False, False, None),
    "too many": ((429, {"code": 20429}, {"Retry-After": "7"}), "20429", False, False, 7.0),
    "too many, and no more": ((429, b"", {}), "20429", False, False, None),
    "wait until a date": ((429, b"", {"Retry-After": "Wed, 1 Jan"}), "20429", False, False, None),
    "too slow": ((408, b"", {}), "HTTP 408", False, True, None),
    "broken": ((500, {"code": 20500}, {}), "20500", False, True, None),
    "away": ((503, b"", {"Retry-After": "30"}), "HTTP 503", False, True, 30.0),
    "silent": ("hang", "no answer", False, True, None),
    "hangs up": ("drop", "connection lost", False, True, None),
    "not JSON": ((201, b"ok", {}), "unreadable answer", False, True, None),
    "no object": ((201, [], {}), "unreadable answer", False, True, None),
    "no sid": ((201, {"sid": None}, {}), "unreadable answer", False, True, None),
}


@pytest.mark.parametrize("kind", ["call", "text"])
@pytest.mark.parametrize(
    ("given", "why", "for_good", "maybe_done", "wait"), FAILURES.values(), ids=FAILURES.keys()
)
def test_each_failure_is_told_apart(
    given: Any, why: str, for_good: bool, maybe_done: bool, wait: float | None, kind: str, twilio: Twilio
) -> None:
    twilio.last = given
    with pytest.raises(ChannelFailed) as failed:
        twilio.telephone().place(CALL_OUT) if kind == "call" else twilio.texts().send(TEXT_OUT)
    error = failed.value
    assert (error.why, error.for_good, error.maybe_done, error.wait_seconds) == (
        why,
        for_good,
        maybe_done,
        wait,
    )
    assert twilio.came.wait(60)  # we may have given up before this thread had its turn
    assert len(twilio.asked) == 1  # trying again is for whoever asked


@every_kind
@pytest.mark.parametrize(
    "given", ["hang", "drop", (500, {}, {}), (200, b"x", {}), (200, {"a": 1, "b": 2}, {})]
)
def test_to_look_is_never_maybe_done(given: Any, key: str, date: str, find: Find, twilio: Twilio) -> None:
    twilio.last = given
    with pytest.raises(ChannelFailed) as failed:
        find(twilio)
    assert not failed.value.maybe_done
    assert not failed.value.for_good


def test_nobody_listening_was_not_asked() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ChannelFailed, match="not reached") as failed:
            Twilio(base).telephone().place(CALL_OUT)
    assert not failed.value.maybe_done
    assert not failed.value.for_good


def test_no_time_to_connect_was_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr("urllib3.util.connection.create_connection", never)
    with pytest.raises(ChannelFailed, match="not reached") as failed:
        Twilio("http://127.0.0.1:9").texts().send(TEXT_OUT)
    assert not failed.value.maybe_done


def test_a_certificate_nobody_vouches_for_was_told_nothing() -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection, pytest.raises(OSError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=accept)
        thread.start()
        settings = TwilioSettings(account_sid=ACCOUNT, auth_tokens=[SecretStr(TOKEN)])
        port = listener.getsockname()[1]
        settings = settings.model_copy(update={"api_base": f"https://127.0.0.1:{port}"})
        with pytest.raises(ChannelFailed, match="not reached") as failed:
            RestTelephone(settings, OverHttp(*LIMITS)).place(CALL_OUT)
        thread.join()
    assert not failed.value.maybe_done


# -- tokens, and what is never shown -----------------------------------------------------------


def test_the_other_token_is_tried(twilio: Twilio) -> None:
    twilio.tokens = (TOKEN,)
    assert twilio.telephone(OTHER_TOKEN, TOKEN).place(CALL_OUT) == CALL
    assert [asked.token for asked in twilio.asked] == [OTHER_TOKEN, TOKEN]


def test_no_token_is_believed(twilio: Twilio) -> None:
    twilio.tokens = ()
    with pytest.raises(ChannelFailed, match="20003") as failed:
        twilio.texts(OTHER_TOKEN, TOKEN).send(TEXT_OUT)
    # That says nothing about the number: it is tried again once somebody has put it right.
    assert not failed.value.for_good
    assert len(twilio.asked) == 2


def test_without_a_token_nobody_is_asked(twilio: Twilio) -> None:
    settings = twilio.settings().model_copy(update={"auth_tokens": []})
    with pytest.raises(ChannelFailed, match="no auth token"):
        RestTelephone(settings).place(CALL_OUT)
    assert twilio.asked == []


def test_the_environment_moves_no_request(twilio: Twilio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    assert twilio.telephone().place(CALL_OUT) == CALL


def test_nothing_is_logged_and_no_error_shows_anything(
    twilio: Twilio, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    twilio.telephone().place(CALL_OUT)
    twilio.texts().send(TEXT_OUT)
    shown = ""
    for given in ((400, {"code": 21211, "message": f"{ANNA} no"}, {}), "drop"):
        twilio.last = given
        for act in (lambda: twilio.telephone().place(CALL_OUT), lambda: twilio.texts().send(TEXT_OUT)):
            with pytest.raises(ChannelFailed) as failed:
                act()
            assert failed.value.__cause__ is None
            assert failed.value.__suppress_context__ or failed.value.__context__ is None
            shown += repr(failed.value) + str(failed.value)
    for secret in (ANNA, OURS, TOKEN, TEXT_OUT.text, "l=1"):
        assert secret not in shown
        # The connection's own debug lines name host and path, and hold nothing of a request.
        assert secret not in caplog.text


def test_real_requests_have_a_limit() -> None:
    assert OverHttp()._timeout == (3.0, 10.0)


def test_twilios_library_is_loaded_only_to_ask() -> None:
    code = "import sys, webhooks.outbound; sys.exit('twilio.rest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
