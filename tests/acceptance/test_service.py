"""Telephone calls to a running service, on given days and at given hours, over real HTTP.

A newcomer's steps come first: `ivr init`, a few lines of configuration, customers, PINs, a rota,
`ivr serve`. Then the phone rings. Wording and addresses are the product's own affair: a test looks at what a
caller is asked for, whose phone rings, and what is on record afterwards.
"""

import base64
import fcntl
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from acceptance.caller import FORM, Answer, Call, Line, fields_of, new_sid, signature
from acceptance.installation import PUBLIC_URL, Clock, Installation, missing

OUR_NUMBER = "+390461825060"
ANNA, BRUNO, CARLA, DARIO = "+393331234501", "+393331234502", "+393331234503", "+393331234504"
TECHNICIANS = {ANNA, BRUNO, CARLA, DARIO}
ROTA = f"""
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "{ANNA}"

[[technician]]
key = "bruno"
name = "Bruno Bianchi"
phone = "{BRUNO}"

[[technician]]
key = "carla"
name = "Carla Verdi"
phone = "{CARLA}"

[[technician]]
key = "dario"
name = "Dario Neri"
phone = "{DARIO}"

[[rota]]
key = "duty"
time_zone = "Europe/Rome"

  [[rota.rung]]
  people = ["anna", "bruno", "carla"]
  starts = 2026-01-05
  handover = "18:30"
  every = "1 week"

  [[rota.rung]]
  people = ["dario"]
"""  # in the week of 10 March 2026 it is Anna's turn, nine hand-overs after the first

ODD_NAME = 'Söhne & <Dial>+39899123456</Dial> "quoted"'


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# An installation, and the service in it ---------------------------------------------------------------


@dataclass
class Prepared:
    """A folder in which everything is set up, and the PINs that were issued there (by customer)."""

    folder: Path
    pins: dict[str, str]


def prepare(folder: Path, clock: Clock) -> dict[str, str]:
    """Do what a newcomer does, on the morning of 7 January 2026; returns the PINs."""
    clock.set(utc("2026-01-07 09:00"))
    house = Installation(folder, clock)
    house.ivr("init")
    assert (folder / "config.toml").stat().st_mode & 0o777 == 0o600
    pins = {}
    customers = {
        "acme": ("ACME", "--contract-until", "none"),
        "ended": ("Finita", "--contract-until", "2025-12-31"),
        "odd": (ODD_NAME, "--contract-until", "none"),
    }
    for key, options in customers.items():
        customer = house.json("customer", "add", *options)
        assert customer["name"] == options[0] or key == "odd"
        issued = house.json("pin", "issue", customer["code"])
        assert re.fullmatch("[0-9]{8,}", issued["pin"])
        pins[key] = issued["pin"]
    (folder / "rota.toml").write_text(ROTA)
    house.ivr("rota", "apply", "rota.toml")
    return pins


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Made once, also when several processes share the tests."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    made = top / "prepared.json"
    with (top / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            workshop = top / "workshop"
            shutil.rmtree(workshop, ignore_errors=True)
            workshop.mkdir()
            try:
                pins = prepare(workshop / "house", Clock(workshop))
            except FileNotFoundError as need:
                missing(str(need))
            made.write_text(json.dumps(pins))
        return Prepared(top / "workshop" / "house", json.loads(made.read_text()))


@dataclass
class Town:
    """A running service, a line to it, and the PINs that work there."""

    house: Installation
    line: Line
    pins: dict[str, str]

    @property
    def acme(self) -> str:
        return self.pins["acme"]

    def wrong_pin(self) -> str:
        """Eight digits that nobody was issued; different every time."""
        chance = random.Random()
        while True:
            pin = "".join(chance.choice("0123456789") for _ in range(8))
            if pin not in self.pins.values() and len(set(pin)) > 4:
                self.keyed.append(pin)
                return pin

    def __post_init__(self) -> None:
        self.keyed: list[str] = []

    def verified(self, **options: Any) -> Call:
        """A caller who has keyed ACME's PIN and is asked how urgent it is."""
        call = self.line.ring(OUR_NUMBER, **options)
        assert call.asks_for_pin, call.heard
        call.press(self.acme + "#")
        assert call.one_key, call.heard
        assert not call.rung
        return call

    def cases(self) -> list[dict[str, Any]]:
        return self.house.json("case", "list")["cases"]

    def open_cases(self) -> list[dict[str, Any]]:
        """Those of the test that runs: every test ends with none."""
        return [case for case in self.cases() if case["closed_at"] is None]

    def close_cases(self) -> None:
        for case in self.open_cases():
            self.house.ivr("case", "close", case["number"])

    def known(self, sid: str) -> bool:
        """Whether the journal holds a call with this SID."""
        return self.house.run("call", "show", sid, "--json").returncode == 0


class Towns:
    """Lends one service that is moved forward in time; going back gets a fresh one."""

    def __init__(self, prepared: Prepared, folder: Path) -> None:
        self.prepared, self.folder = prepared, folder
        self.made: list[Town] = []

    def at(self, instant: str) -> Town:
        """The service, with its clock at this instant (UTC) or a little later."""
        if self.made:
            clock = self.made[-1].house.clock
            ahead = utc(instant) - clock.now()
            if ahead > timedelta(0):
                clock.set(utc(instant))
            if ahead > -timedelta(
                minutes=10
            ):  # a little later than asked for: the tests before took that long
                return self.made[-1]
            self.made[-1].house.stop()
        return self.fresh(instant)

    def fresh(self, instant: str) -> Town:
        place = self.folder / str(len(self.made))
        place.mkdir()
        house = Installation(place / "house", Clock(place))
        shutil.copytree(self.prepared.folder, house.folder, dirs_exist_ok=True)
        house.configure()
        house.clock.set(utc(instant))
        house.start()
        town = Town(house, house.line(), dict(self.prepared.pins))
        self.made.append(town)
        return town


@pytest.fixture
def towns(all_towns: Towns) -> Iterator[Towns]:
    """Cases that a test opened are closed after it, so that no call is taken for one about an older case."""
    seen = sum(len(town.line.log) for town in all_towns.made)
    yield all_towns
    log = [answer for town in all_towns.made for _, answer in town.line.log]
    if any(b"<Number" in answer.body for answer in log[seen:]):
        all_towns.made[-1].close_cases()


@pytest.fixture(scope="module")
def all_towns(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Towns]:
    """At the end every service must stop when told, and have kept no PIN that anybody keyed."""
    towns = Towns(prepared, tmp_path_factory.mktemp("towns"))
    yield towns
    try:
        for town in towns.made:
            town.house.stop()
            assert leaks(town) == []
            assert b"Traceback" not in town.house.printed.read_bytes()
    finally:
        for town in towns.made:
            town.house.kill()


def tried(case: dict[str, Any]) -> list[str]:
    """The technicians of a case's attempts, by first name or key."""
    return [attempt["technician"].split()[0].lower() for attempt in case["attempts"]]


def digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


# The conversations ------------------------------------------------------------------------------------


def test_technician_is_reached_at_22_with_the_right_pin(towns: Towns) -> None:
    town = towns.at("2026-03-10 21:00")  # Tuesday 22:00 in Rome
    call = town.verified()
    call.press("1")
    accepted = digits(call.heard)
    call.waits_for_ring()
    accepted += digits(" ".join(call.transcript))
    assert call.phones == [ANNA]

    anna = call.answers()
    assert "acme" in anna.heard.lower()
    assert not anna.bridged
    anna.press("1")
    assert anna.bridged
    (case,) = town.open_cases()
    assert case["code"] in digits(" ".join(anna.transcript))
    assert case["code"] in accepted
    assert case["connected_at"] is None, "accepted is not connected until Dial says so"

    call.talks(seconds=95)
    call.waits_to_the_end()
    assert call.rung == [ANNA]
    case = town.house.json("case", "show", case["number"])
    assert case["connected_at"] is not None
    assert case["closed_at"] is None
    assert tried(case) == ["anna"]
    assert case["attempts"][0]["result"] in ("accepted", "connected")
    shown = town.house.json("call", "show", call.sid)
    assert (shown["from"], shown["to"]) == (call.caller, OUR_NUMBER)
    assert shown["case"] is not None
    assert len(shown["turns"]) >= 3


def test_three_wrong_pins_are_refused(towns: Towns) -> None:
    town = towns.at("2026-03-10 22:20")
    call = town.line.ring(OUR_NUMBER, "+393480000001")
    for _ in range(3):
        assert call.asks_for_pin, call.heard
        call.press(town.wrong_pin() + "#")
        assert call.rung == []
    assert not call.asks_for_pin
    assert re.search(r"\b0?8:00\b", " ".join(call.transcript)), "when the office reopens"
    call.waits_to_the_end()
    assert call.rung == []


def test_request_that_can_wait_is_told_about_the_next_opening(towns: Towns) -> None:
    town = towns.at("2026-03-10 22:40")  # Tuesday 23:40
    call = town.verified()
    call.press("4")
    assert re.search(r"\b0?8:00\b", call.heard), call.heard
    assert re.search(r"mercoled|domani|domattina|11 marzo", call.heard.lower()), call.heard
    call.waits_to_the_end()
    assert call.rung == []
    assert town.open_cases() == []


def test_ended_contract_is_told_so_and_not_connected(towns: Towns) -> None:
    town = towns.at("2026-03-10 22:50")
    call = town.line.ring(OUR_NUMBER)
    call.press(town.pins["ended"] + "#")
    assert not call.asks_for_pin
    call.waits_to_the_end()
    assert call.rung == []
    assert "contratto" in " ".join(call.transcript).lower()


def test_office_is_reached_at_10_on_a_working_day(towns: Towns) -> None:
    town = towns.at("2026-03-11 09:00")  # Wednesday
    office = town.house.configuration["number"][0]["office"]
    call = town.line.ring(OUR_NUMBER)
    assert call.waiting is not None
    assert call.waiting.tag == "Dial", call.heard
    assert set(call.phones) <= set(office)
    assert not set(call.phones) & TECHNICIANS
    call.answers()
    call.talks(seconds=60)
    assert not call.asks_for_pin
    assert set(call.rung) <= set(office)


def test_unanswered_office_leads_to_a_message_or_the_pin_but_no_loop(towns: Towns) -> None:
    town = towns.at("2026-03-11 09:20")
    call = town.line.ring(OUR_NUMBER)
    call.waits_to_the_end()
    office = town.house.configuration["number"][0]["office"]
    assert call.rung
    assert len(call.rung) <= len(office)
    assert set(call.rung) <= set(office)


def asks_for_pin_at(towns: Towns, instant: str) -> None:
    town = towns.at(instant)
    call = town.line.ring(OUR_NUMBER)
    assert call.asks_for_pin, call.heard
    call.press(town.acme + "#")
    assert call.one_key, call.heard
    call.hangs_up()
    assert call.rung == []


def test_pin_is_asked_at_lunch(towns: Towns) -> None:
    asks_for_pin_at(towns, "2026-03-11 12:30")


# A voicemail that answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "status"), [("2026-03-11 21:00", "completed"), ("2026-03-11 22:30", "no-answer")]
)
def test_voicemail_is_not_a_technician(towns: Towns, instant: str, status: str) -> None:
    """It presses nothing, whatever Twilio calls that; the next phone is rung, and its owner is reached."""
    town = towns.at(instant)
    call = town.verified(caller="+393480000002")
    call.press("1")
    call.waits_for_ring()
    assert call.phones == [ANNA]
    voicemail = call.answers(unbridged=status)
    voicemail.stays_silent()
    assert voicemail.over
    assert not voicemail.bridged
    call.waits_for_ring()
    assert call.phones == [DARIO]
    (case,) = town.open_cases()
    assert case["connected_at"] is None
    assert case["taken_by"] is None
    assert tried(case)[0] == "anna"
    assert case["attempts"][0]["result"] not in ("accepted", "connected")

    dario = call.answers()
    dario.press("1")
    assert dario.bridged
    call.talks(seconds=95)
    call.waits_to_the_end()
    assert call.rung == [ANNA, DARIO]
    case = town.house.json("case", "show", case["number"])
    assert case["connected_at"] is not None
    assert tried(case) == ["anna", "dario"]


# Bad inputs: the stated result, no change of state ----------------------------------------------------


def test_unsigned_and_wrongly_signed_requests_are_forbidden(towns: Towns) -> None:
    town = towns.at("2026-03-12 00:00")
    line, voice = town.line, town.line.address("/voice")

    def fields() -> dict[str, str]:
        return {**Call(line, OUR_NUMBER, "+393480000003", {}).fields(), "CallSid": new_sid()}

    tried = []
    for wrong in (None, "", " ", "é", "caffè" * 9, "A" * 27 + "="):
        form = fields()
        tried.append(form["CallSid"])
        assert line.send(voice, form, signature_is=wrong).status == 403, wrong
        form = fields()
        tried.append(form["CallSid"])
        assert line.send(line.address("/voice/status"), form, signature_is=wrong).status == 403, wrong
        assert line.send(line.address("/voice/fallback"), form, signature_is=wrong).status == 403, wrong
    form = fields()
    tried.append(form["CallSid"])
    right = signature(line.auth_token, voice, form)
    assert line.send(voice, {**form, "From": "+393480000004"}, signature_is=right).status == 403
    assert line.send(voice + "?x=1", form, signature_is=right).status == 403
    assert line.send(voice, form, signature_is=signature("another-token", voice, form)).status == 403
    assert line.send(voice, form, signature_is=signature("", voice, form)).status == 403
    listed = town.house.ivr("call", "list", "--json")
    assert not [sid for sid in tried if sid in listed]


def test_impossible_host_is_refused_and_forwarding_headers_are_ignored(towns: Towns) -> None:
    town = towns.at("2026-03-12 00:05")
    line, voice = town.line, town.line.address("/voice")
    form = Call(line, OUR_NUMBER, "+393480000003", {}).fields()
    assert line.send(voice, form, headers={"Host": "x:99999"}).status in (400, 403)

    forged = {
        "X-Forwarded-Host": "evil.example.net",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Port": "81",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-For": "127.0.0.1",
        "Forwarded": "host=evil.example.net;proto=http",
    }
    evil = "http://evil.example.net/voice"
    assert line.send(voice, form, headers=forged, sign_as=evil).status == 403
    answer = line.send(voice, form, headers=forged)
    assert answer.status == 200
    assert b"evil" not in answer.body


def test_other_kinds_of_body_are_refused(towns: Towns) -> None:
    town = towns.at("2026-03-12 00:10")
    line, voice = town.line, town.line.address("/voice")
    form = Call(line, OUR_NUMBER, "+393480000003", {}).fields()
    body = json.dumps(form).encode()
    hashed = f"{voice}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert line.send(hashed, body=body, kind="application/json").status == 415
    assert line.send(voice, body=body, kind="application/json").status == 415
    parts = "".join(
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.items()
    )
    multipart = parts.encode() + b"--xyz--\r\n"
    right = signature(line.auth_token, voice, form)
    kind = "multipart/form-data; boundary=xyz"
    assert line.send(voice, body=multipart, kind=kind, signature_is=right).status == 415


def test_repeated_and_resplit_parameters_have_no_effect(towns: Towns) -> None:
    town = towns.at("2026-03-12 00:15")
    call = town.verified(caller="+393480000005")
    action = call.action
    fields = list(fields_of(call).items())
    twice = town.line.send(action, [*fields, ("Digits", "1"), ("Digits", "3")])
    assert twice.status == 400
    same_text = signature(call.line.auth_token, action, [*fields, ("Digits", "1")])
    resplit = town.line.send(action, [*fields, ("Digit", "s1")], signature_is=same_text)
    assert resplit.status != 200 or "Dial" not in resplit.verbs
    assert town.open_cases() == []
    call.press("3")  # the turn is still there for the true request
    (case,) = town.open_cases()
    assert case["urgency"] == "P2"
    call.hangs_up()


def test_foreign_account_and_number_and_bad_sids_are_refused(towns: Towns) -> None:
    town = towns.at("2026-03-12 01:20")
    line, voice = town.line, town.line.address("/voice")
    call = Call(line, OUR_NUMBER, "+393480000006", {})
    assert line.send(voice, fields_of(call, AccountSid="AC" + "f" * 32)).status == 403
    assert line.send(voice, fields_of(call, AccountSid=None)).status in (400, 403)
    assert line.send(voice, fields_of(call, To="+390299999999", Called="+390299999999")).status == 403
    for sid in ("", "CA", "CA" + "g" * 32, "CA" + "0" * 31, "CA" + "0" * 33, "SM" + "0" * 32, None):
        assert line.send(voice, fields_of(call, CallSid=sid)).status == 400, sid
    newline = "CA" + "0" * 32 + "\n"
    assert line.send(voice, fields_of(call, CallSid=newline)).status == 400
    assert not town.known(call.sid)


def test_replayed_turns_get_their_stored_answer(towns: Towns) -> None:
    """Also with other keys, five at once, or after the end; a new turn after the end is hung up."""
    town = towns.at("2026-03-12 01:30")
    beginning = len(town.line.log)
    call = town.line.ring(OUR_NUMBER, "+393480000007")
    welcome_turn = (town.line.address("/voice"), fields_of(call))
    pin_turn = (call.action, fields_of(call, Digits=town.acme))
    call.press(town.acme + "#")
    assert call.one_key, call.heard
    urgency_turn = (call.action, fields_of(call, Digits="1"))

    answers: list[Answer] = []
    together = [
        threading.Thread(target=lambda: answers.append(town.line.send(*urgency_turn))) for _ in range(5)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert len(answers) == 5
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert len(town.open_cases()) == 1
    call.take(urgency_turn[0], answers[0])
    call.waits_for_ring()
    assert call.phones == [ANNA]
    open_turn = (call.action, fields_of(call, DialCallStatus="no-answer"))

    def first(url: str) -> Answer:
        return next(answer for address, answer in town.line.log[beginning:] if address == url)

    def replays() -> None:
        assert town.line.send(*welcome_turn) == first(welcome_turn[0])
        for keys in (town.acme, "", "99999999", "1"):
            again = town.line.send(pin_turn[0], {**pin_turn[1], "Digits": keys})
            assert again == first(pin_turn[0]), keys
        for keys in ("1", "4", ""):
            again = town.line.send(urgency_turn[0], {**urgency_turn[1], "Digits": keys})
            assert again == answers[0], keys
        assert len(town.open_cases()) == 1

    replays()
    call.hangs_up()
    replays()
    assert town.line.send(*open_turn).verbs == ["Hangup"]
    (case,) = town.open_cases()
    assert case["connected_at"] is None


def test_skipping_ahead_leads_nowhere(towns: Towns) -> None:
    """A caller who is asked for a PIN presents the address of somebody else's later step."""
    town = towns.at("2026-03-12 02:40")
    verified = town.verified(caller="+393480000008")
    stranger = town.line.ring(OUR_NUMBER, "+393480000009")
    answer = town.line.send(verified.action, fields_of(stranger, Digits="1"))
    assert answer.status != 200 or answer.verbs == ["Hangup"]
    stranger.press(town.acme + "#")  # still at its own step
    assert stranger.one_key
    assert town.open_cases() == []
    verified.hangs_up()
    stranger.hangs_up()


def test_unknown_call_at_a_later_step_is_a_new_call(towns: Towns) -> None:
    town = towns.at("2026-03-12 02:50")
    verified = town.verified(caller="+393480000010")
    lost = Call(town.line, OUR_NUMBER, "+393480000011", {})
    lost.follow(verified.action, {"Digits": "1"})
    assert lost.asks_for_pin, lost.heard
    assert lost.rung == []
    lost.press(town.acme + "#")
    assert lost.one_key
    verified.hangs_up()
    lost.hangs_up()


def test_whatever_is_unknown_on_a_technicians_leg_is_hung_up(towns: Towns) -> None:
    """Never a document that merely ends: Twilio would put the two through."""
    town = towns.at("2026-03-12 03:00")
    call = town.verified(caller="+393480000012")
    call.press("2")
    call.waits_for_ring()
    anna = call.answers()
    strangers = {"CallSid": new_sid(), "ParentCallSid": new_sid()}
    for url in (anna.whisper, anna.action, town.line.address("/voice")):
        answer = town.line.send(url, {**fields_of(anna, Digits="1"), **strangers})
        assert answer.verbs == ["Hangup"], url
    anna.press("2")  # the true phone passes, and the next one rings
    assert anna.over
    call.waits_for_ring()
    assert call.phones == [DARIO]
    call.hangs_up()
    (case,) = town.open_cases()
    assert case["connected_at"] is None
    assert case["attempts"][0]["result"] == "declined"


def test_bombs_are_refused(towns: Towns) -> None:
    town = towns.at("2026-03-12 04:10")
    line, voice = town.line, town.line.address("/voice")
    call = Call(line, OUR_NUMBER, "+393480000013", {})
    fields = fields_of(call)
    many = {**fields, **{f"Extra{number}": "x" for number in range(5_000)}}
    assert line.send(voice, many).status in (400, 413)
    large = {**fields, "SpeechResult": "x" * 1_000_000}
    shut = suppress(BrokenPipeError, ConnectionResetError)  # while a megabyte was still on its way
    with shut:
        assert line.send(voice, large).status in (400, 413)
    chunks = (urlencode(large)[start : start + 4096].encode() for start in range(0, 1_000_000, 4096))
    with shut:
        headers = {"X-Twilio-Signature": signature(line.auth_token, voice, large)}
        assert chunked(line, headers, chunks) in (400, 403, 411, 413)
    assert not town.known(call.sid)
    assert line.send(voice, {**fields, "SpeechResult": "x" * 10_000}).status == 200


def chunked(line: Line, headers: dict[str, str], chunks: Iterator[bytes]) -> int:
    """The status of a POST to /voice whose length is not told beforehand."""
    connection = http.client.HTTPConnection(line.listener, timeout=15)
    try:
        host = PUBLIC_URL.removeprefix("https://")
        all_headers = {"Host": host, "Content-Type": FORM, **headers}
        connection.request("POST", "/voice", body=chunks, headers=all_headers, encode_chunked=True)
        return connection.getresponse().status
    finally:
        connection.close()


def malformed(pin: str) -> list[list[str]]:
    """Rows of three inputs that are no PIN and no guess either."""
    arabic = "".join(chr(0x660 + int(digit)) for digit in pin)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in pin)
    return [
        [arabic, wide, "²²²²²²²²"],
        [pin + "\n", " " + pin, "²²"],
        ["", "#", "1"],
        ["12", "345", "4711"],
        ["12345", "471100", pin[:7]],
        ["1" * 40, pin * 5, pin + "x"],
    ]


@pytest.mark.parametrize("row", range(6))
def test_malformed_input_asks_again_and_is_no_guess(towns: Towns, row: int) -> None:
    """After three of them two wrong PINs are still refused singly, and the right one, the third, is taken."""
    town = towns.at(f"2026-03-12 {18 + row // 2}:{30 * (row % 2):02}")
    call = town.line.ring(OUR_NUMBER, f"+39348000002{row}")
    for given in malformed(town.acme)[row]:
        assert call.asks_for_pin, (call.transcript, given)
        call.follow(call.action, {"Digits": given})
    for _ in range(2):
        assert call.asks_for_pin, call.transcript
        call.press(town.wrong_pin())
    assert call.asks_for_pin, call.transcript
    call.press(town.acme)
    assert call.one_key, call.transcript
    assert call.rung == []
    call.hangs_up()


def test_leading_zeros_count(towns: Towns) -> None:
    """PINs are issued until one begins with 0 (one in ten does); it works, and not without its zero."""
    town = towns.at("2026-03-13 00:00")
    customer = town.house.json("customer", "add", "Zero", "--contract-until", "none")["code"]
    pin = town.acme if town.acme.startswith("0") else ""
    for number in range(100):
        if pin:
            break
        issued = town.house.json("pin", "issue", customer)["pin"]
        town.pins[f"zero-{number}"] = issued
        if issued.startswith("0"):
            pin = issued
    assert pin.startswith("0")
    call = town.line.ring(OUR_NUMBER, "+393480000030")
    call.follow(call.action, {"Digits": pin[1:]})
    assert call.asks_for_pin
    call.press(pin + "#")
    assert call.one_key, call.heard
    call.hangs_up()


@pytest.mark.parametrize(
    "caller", ["anonymous", "", None, "sip:x@y.example.net", "+266696687", "+39 0461\x00"]
)
def test_caller_whose_number_is_unknown_is_served(towns: Towns, caller: str | None) -> None:
    town = towns.at("2026-03-13 01:00")
    call = town.verified(caller=caller)
    call.press("1")
    call.waits_for_ring()
    assert call.phones == [ANNA]
    call.hangs_up()


def test_names_and_fields_cannot_write_twiml(towns: Towns) -> None:
    """A customer's name, and what arrives with a call, are spoken or dropped; they dial nobody."""
    town = towns.at("2026-03-13 02:00")
    evil = "<Dial>+39899123456</Dial>"
    more = {"CallerName": evil + "\x00\x0b", "FromCity": evil, "NewThing": "\ufffe", "ForwardedFrom": evil}
    call = town.line.ring(OUR_NUMBER, evil, **more)
    call.press(town.pins["odd"] + "#")
    assert call.one_key, call.transcript
    call.press("1")
    call.waits_for_ring()
    anna = call.answers()
    assert anna.heard
    anna.press("1")
    assert anna.bridged
    call.talks(seconds=95)
    call.waits_to_the_end()
    assert call.rung == [ANNA]

    half = fields_of(Call(town.line, OUR_NUMBER, "+393480000036", {}), CallerName="\ud800")
    assert town.line.send(town.line.address("/voice"), half).status in (200, 400, 403)
    vertical_tab_and_half_a_pair = b"A\x0bB\xed\xa0\x80C"
    done = town.house.run("customer", "add", vertical_tab_and_half_a_pair, "--json")
    assert done.returncode in (0, 1), done.stderr
    if done.returncode == 1:
        assert len(done.stderr.strip().splitlines()) == 1
        return
    customer = json.loads(done.stdout)
    pin = town.house.json("pin", "issue", customer["code"])["pin"]
    town.pins["tab"] = pin
    call = town.line.ring(OUR_NUMBER, "+393480000031")
    call.press(pin + "#")
    assert call.one_key
    call.hangs_up()


@pytest.mark.parametrize("keys", [("0", "7"), ("7", ""), ("", "0")])
def test_other_urgencies_are_asked_again(towns: Towns, keys: tuple[str, str]) -> None:
    town = towns.at("2026-03-13 03:00")
    call = town.verified(caller="+393480000032")
    for key in keys:
        call.follow(call.action, {"Digits": key})
        assert call.one_key, call.heard
        assert call.rung == []
    call.press("3")
    call.waits_for_ring()
    assert call.phones == [ANNA]
    call.hangs_up()
    (case,) = town.open_cases()
    assert case["urgency"] == "P2"


# No PIN is kept ---------------------------------------------------------------------------------------


def disguises(pin: str) -> dict[str, bytes]:
    """What a PIN may look like in a file."""
    raw = pin.encode()
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "wide (UTF-16)": pin.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "URL-encoded": "".join(f"%{byte:02x}" for byte in raw).encode(),
    }
    for between in (" ", ", ", "-", "  ", ". "):
        found[f"spaced by {between!r}"] = between.join(pin).encode()
    found["spaced and URL-encoded"] = "+".join(pin).encode()
    found["spaced and URL-encoded by %20"] = "%20".join(pin).encode()
    for ahead in range(3):  # base64 of it inside a longer text: the middle is the same
        text = base64.b64encode(b"x" * ahead + raw)
        found[f"base64, {ahead} before"] = text[-(-ahead * 8 // 6) : (ahead + len(raw)) * 8 // 6]
    return found


def leaks(town: Town) -> list[str]:
    """Where a PIN that was issued or keyed stands in what the service wrote, printed or answered."""
    contents = list(town.house.files())
    contents += [(f"address {url}", url.encode() + answer.body) for url, answer in town.line.log]
    found = []
    for pin in {*town.pins.values(), *town.keyed}:
        for disguise, pattern in disguises(pin).items():
            exact = disguise.startswith("base64")
            found += [
                f"{disguise} in {where}"
                for where, content in contents
                if pattern in (content if exact else content.lower())
            ]
    return found


def test_disguises_are_seen_through() -> None:
    for text in (b"12345678", b"xx12345678", b"a12345678zz"):
        patterns = disguises("12345678").values()
        assert any(pattern in base64.b64encode(text) for pattern in patterns)
        assert any(pattern in base64.urlsafe_b64encode(text) for pattern in patterns)
        assert any(pattern in text.hex().encode() for pattern in patterns)


def test_no_pin_is_found_anywhere_afterwards(towns: Towns) -> None:
    town = towns.at("2026-03-13 04:10")
    right = town.verified(caller="+393480000033")
    wrong = town.line.ring(OUR_NUMBER, "+393480000034")
    for _ in range(3):
        wrong.press(town.wrong_pin() + "#")
    odd = town.line.ring(OUR_NUMBER, "+393480000035")
    odd.follow(odd.action, {"Digits": town.acme + "\n"})
    odd.press(town.acme)
    odd.follow(odd.action, {"Digits": town.acme})  # once more at a menu, where it is no PIN at all
    town.line.send(town.line.address("/voice/fallback"), fields_of(odd, Digits=town.acme, ErrorCode="11200"))
    town.line.send(town.line.address("/voice"), fields_of(odd, Digits=town.acme), signature_is="wrong")
    town.line.send(town.line.address("/voice"), fields_of(odd, Digits=town.acme, CallSid="CA1"))
    for call in (right, wrong, odd):
        if not call.over:
            call.hangs_up()
        shown = town.house.ivr("call", "show", call.sid, "--json")
        for pin in {*town.pins.values(), *town.keyed}:
            assert not [name for name, look in disguises(pin).items() if look in shown.encode().lower()]
    (town.house.folder / "shown.txt").write_text(
        town.house.ivr("call", "list") + town.house.ivr("pin", "list")
    )
    assert leaks(town) == []


# The whole service is killed between any two requests --------------------------------------------------


def test_call_goes_on_though_the_service_is_killed_before_every_request(
    prepared: Prepared, tmp_path: Path
) -> None:
    """One technician doesn't answer, the second accepts; kill -9 and a new start before each step."""
    own = Towns(prepared, tmp_path)
    town = own.fresh("2026-03-10 21:00")
    killed = []

    def kill_and_start() -> None:
        town.house.kill()
        # Every fourth time all of it: console and worker take no part in a call, and take time to start.
        town.house.start(*(("--only", "webhooks") if len(killed) % 4 else ()))
        killed.append(1)

    town.line.before_request = kill_and_start
    try:
        call = town.verified()
        call.press("1")
        call.waits_for_ring()
        assert call.phones == [ANNA]
        call.no_answer()
        call.waits_for_ring()
        assert call.phones == [DARIO]
        dario = call.answers()
        dario.press("1")
        assert dario.bridged
        call.talks(seconds=95)
        call.waits_to_the_end()
        assert call.rung == [ANNA, DARIO]
        assert len(killed) >= 6
        (case,) = town.cases()
        assert case["connected_at"] is not None
        assert tried(case) == ["anna", "dario"]
        assert leaks(town) == []
    finally:
        town.house.kill()


# Nights on which clocks change, and days on which the office is closed ----------------------------------


@pytest.mark.parametrize(
    "instant",
    [
        pytest.param("2026-03-14 09:00", id="Saturday at 10"),
        pytest.param("2026-03-29 01:30", id="03:30 on 29 March"),
        pytest.param("2026-10-25 00:30", id="the first 02:30 on 25 October"),
        pytest.param("2026-10-25 01:30", id="the second 02:30 on 25 October"),
        pytest.param("2026-12-26 09:00", id="26 December at 10"),
    ],
)
def test_pin_is_asked_on_closed_days(towns: Towns, instant: str) -> None:
    asks_for_pin_at(towns, instant)
