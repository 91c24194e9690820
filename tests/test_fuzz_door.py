"""The webhook door fuzzed for some seconds: a few rounds of one seed. `make fuzz` goes on for longer."""

from __future__ import annotations

import logging
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from fuzzing import judging, nasty, rounds, sockets
from fuzzing.asking import FORM, HOST, Asked, environment, put, signed
from making import ACCOUNT, NIGHT, SID, TOKEN, configuration, fresh_database
from whole import whole

from console.house import House
from console.processes.doors import webhook_app

FULL = os.environ.get("FULL") == "1"
PUBLIC = "https://ivr.example.net"
ADDRESSES = (
    *("/voice", "/voice/turn/1", "/voice/status", "/voice/recording", "/voice/technician/0", "/voice/out/0"),
    *("/voice/out/status", "/sms", "/sms/status"),
)


@pytest.mark.parametrize("number", range(200 if FULL else 10))
def test_a_round(number: int) -> None:
    """Even numbers: strangers; odd ones: what Twilio's token has signed."""
    report = rounds.play("suite", number, around=12 if FULL else 8)
    assert not report.wrongs, f"{report.name}\n{report.wrongs[0]}"
    assert report.count["requests"] > 8


def test_what_is_sent_is_of_every_kind() -> None:
    """A round that is refused at the first check, or believed always, would find nothing."""
    total = sum((rounds.play("kinds", number, around=8).count for number in range(4)), start=rounds.Counter())
    assert {f"answered {status}" for status in (200, 400, 403, 404, 405)} <= total.keys()
    assert total["answered 403"] > total["requests"] / 10


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("bomb", nasty.BOMBS, ids=["a megabyte", "5,000 parameters", "a million of nothing"])
@pytest.mark.parametrize("path", ["/voice", "/voice/technician/0", "/voice/out/0", "/sms"])
def test_a_bomb_takes_no_memory(tmp_path: Path, path: str, bomb: bytes, chunked: bool) -> None:
    with fresh_database(tmp_path) as database:
        app = webhook_app(House(configuration(tmp_path), database), lambda: NIGHT)
        asked = Asked("POST", path, "", (("Host", HOST), ("Content-Type", FORM)), bomb, chunked)
        asked = signed(asked, TOKEN, PUBLIC)
        before = whole(database)
        tracemalloc.start()
        try:
            answered = put(app, asked)
            grown = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert answered.status in (400, 413)
        assert grown < 10 * 1024 * 1024
        assert not whole(database).unlike(before)


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_body_that_breaks_off_is_the_sender_s_fault(tmp_path: Path, path: str) -> None:
    class Broken:
        def read(self, *_: object) -> bytes:
            raise RuntimeError("a chunk without a size")  # the server's own kind is no OSError either

    with fresh_database(tmp_path) as database, judging.traces() as traces:
        app = webhook_app(House(configuration(tmp_path), database), lambda: NIGHT)
        asked = Asked("POST", path, "", (("Host", HOST), ("Content-Type", FORM)), b"", True)
        answered = put(lambda given, start: app({**given, "wsgi.input": Broken()}, start), asked)
        assert answered.status == 400
        assert traces.taken() == []


@pytest.mark.parametrize("path", ["/voice/technician/0", "/voice/out/0", "/voice/out/status"])
def test_what_is_refused_on_a_leg_before_it_is_believed_says_nothing_to_it(tmp_path: Path, path: str) -> None:
    """A signed request that is malformed is hung up; an unsigned one learns nothing, and fills no log."""
    with fresh_database(tmp_path) as database, judging.traces() as traces:
        app = webhook_app(House(configuration(tmp_path), database), lambda: NIGHT)
        twice = b"CallSid=" + SID.encode() + b"&AccountSid=" + ACCOUNT.encode() + b"&Digits=1&Digits=2"
        asked = Asked("POST", path, "", (("Host", HOST), ("Content-Type", FORM)), twice)
        believed = put(app, signed(asked, TOKEN, PUBLIC))
        assert (believed.status, b"<Hangup" in believed.body) == (200, True)
        for unsigned in (asked.with_headers(("Host", "x:99999")), replace(asked, body=b"a=&" * 2000), asked):
            answered = put(app, unsigned)
            assert answered.status in (400, 403, 413)
            assert b"<Response" not in answered.body
        assert traces.taken() == []


def test_bytes_that_are_no_request_are_judged() -> None:
    """The listener itself is fuzzed by `make fuzz`; here only that the judge would notice."""
    assert sockets.wrongs(b"x", b"HTTP/1.1 400 Bad Request\r\n\r\n") == []
    assert sockets.wrongs(b"x", b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
    assert sockets.wrongs(b"x", b"HTTP/1.1 200 OK\r\n\r\n<Response/>")


def test_the_judge_notices(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        before = whole(database)
        with database.write() as connection:
            connection.exec_driver_sql("INSERT INTO case_numbers (year, last) VALUES (2026, 1)")
        changed = whole(database)
    refused, answered = rounds.Answered(403, {}, b""), rounds.Answered(200, {}, b"<Response/>")
    assert [*judging.of_stranger(Asked(), refused, before, changed)]
    assert [*judging.of_stranger(Asked(), answered, before, before)]
    assert not [*judging.of_stranger(Asked(), refused, before, before)]
    dials = rounds.Answered(
        200, {"Content-Type": "text/xml"}, b"<Response><Dial><Number>+39899123456</Number></Dial></Response>"
    )
    assert [*judging.of_believed(Asked(), dials, before, before, {"+393331234501"})]
    with judging.traces() as traces:
        logging.getLogger("ivr").error("something failed")
        assert len(traces.taken()) == 1


def test_a_request_is_signed_as_it_is_seen() -> None:
    asked = Asked("POST", "/voice/turn/%31", "l=x", body=b"Digits=%C3%A9")
    assert environment(asked)["PATH_INFO"] == "/voice/turn/1"
    assert signed(asked, TOKEN, PUBLIC).header("X-Twilio-Signature")
