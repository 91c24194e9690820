"""Thirty bad inputs, each with its stated result: which test shows it. Those that come through the webhook
door are shown here as well: answered as stated, the whole database as it was, no traceback in answer or log.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fuzzing import judging
from fuzzing.asking import FORM, HOST, SIGNATURE, Answered, Asked, Pairs, encoded, put, signature, signed
from whole import Whole, whole

from console.phone.call import CallerCall
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal

TESTS = Path(__file__).parent
HERE = "test_bad_inputs.py"


@dataclass(frozen=True)
class Row:
    """A bad input, what must come of it, and what shows it: `file::test`, or a conversation's file."""

    given: str
    result: str
    shown_by: tuple[str, ...]


DOOR = f"{HERE}::test_refused_at_every_address"
ROWS = {
    1: Row(
        "no signature", "403", (DOOR, "test_signature.py::test_without_a_right_signature_nothing_happens")
    ),
    2: Row(
        "an empty signature, or one that is not ASCII",
        "403",
        (DOOR, "test_signature.py::test_a_signature_that_is_none"),
    ),
    3: Row("Host: x:99999", "400 or 403", (DOOR, "test_signature.py::test_a_host_that_is_none")),
    4: Row(
        "forged X-Forwarded-*",
        "ignored",
        (f"{HERE}::test_forged_headers_are_ignored", "test_signature.py::test_forged_headers_change_nothing"),
    ),
    5: Row("a body of JSON or multipart", "415", (DOOR, "test_parameters.py::test_a_body_that_is_no_form")),
    6: Row(
        "Digits twice",
        "400; a technician's leg is hung up",
        (DOOR, "test_parameters.py::test_signed_but_refused"),
    ),
    7: Row(
        "parameters split anew (`Digit=s1`)",
        "no effect",
        (DOOR, "test_signature.py::test_a_signed_key_hidden_behind_a_moved_border_has_no_effect"),
    ),
    8: Row(
        "a foreign AccountSid; a foreign To of a call that comes in",
        "403",
        (
            DOOR,
            f"{HERE}::test_a_foreign_number_was_not_called",
            "test_parameters.py::test_another_number_is_refused",
        ),
    ),
    9: Row("a CallSid of another form", "400", (DOOR, "test_parameters.py::test_a_call_has_a_call_sid")),
    10: Row(
        "an answered turn again, after the end too, with other Digits; a new turn after the end",
        "its stored answer, no effect; `<Hangup/>`",
        (
            f"{HERE}::test_an_answered_turn_has_its_answer_and_no_effect",
            "test_desk_twice.py::test_every_request_twice_and_once_more_after_the_end",
            "test_desk_twice.py::test_a_new_turn_after_the_end_is_hung_up_on",
        ),
    ),
    11: Row(
        "an unknown CallSid at a later step; the same on a technician's leg",
        "served as a new call, security log; `<Hangup/>`",
        (
            f"{HERE}::test_a_call_nobody_knows_is_noted",
            "test_desk_twice.py::test_a_call_nobody_knows_is_served_as_a_new_one",
            "test_desk_twice.py::test_a_leg_nobody_knows_is_hung_up_on",
        ),
    ),
    12: Row(
        "a body of 1 MB, or of 5,000 parameters",
        "413 or 400, under 10 MB of memory",
        (DOOR, "test_fuzz_door.py::test_a_bomb_takes_no_memory"),
    ),
    13: Row(
        "digits of other scripts, `²²`",
        "asked again",
        (
            f"{HERE}::test_what_is_no_pin_is_asked_again_and_is_no_guess",
            "acceptance/test_service.py::test_malformed_input_asks_again_and_is_no_guess",
        ),
    ),
    14: Row(
        "a PIN with a line end",
        "asked again",
        (f"{HERE}::test_what_is_no_pin_is_asked_again_and_is_no_guess",),
    ),
    15: Row(
        "nothing, `#`, 1 to 7 digits other than 0 and 9, 40 digits; `*`",
        "asked again, no guess counted; the next language",
        (
            f"{HERE}::test_what_is_no_pin_is_asked_again_and_is_no_guess",
            "calls/malformed-pins-four-times.call",
            "calls/language-by-star.call",
        ),
    ),
    16: Row(
        "a PIN with leading zeros",
        "works",
        (
            "test_registry.py::test_leading_zeros_are_part_of_a_pin",
            "acceptance/test_service.py::test_leading_zeros_count",
        ),
    ),
    17: Row(
        "a PIN that is revoked, expired, in its overlap",
        "refused, refused, accepted with a notice",
        (
            "calls/revoked-pin.call",
            "calls/expired-pin.call",
            "calls/pin-in-overlap.call",
            "calls/pin-after-overlap.call",
        ),
    ),
    18: Row(
        "From anonymous, sip:, missing",
        "the lane of unknown numbers",
        (
            f"{HERE}::test_withheld_numbers_are_one_unknown_number",
            "test_throttle.py::test_all_withheld_numbers_are_one",
            "acceptance/test_service.py::test_caller_whose_number_is_unknown_is_served",
        ),
    ),
    19: Row(
        "From is our own number, or a technician's",
        "no loop",
        (
            "calls/our-own-number-calls.call",
            "calls/caller-is-the-technician.call",
            "calls/office-forwards-to-us.call",
            "test_flow.py::test_the_caller_s_own_phone_is_never_rung",
        ),
    ),
    20: Row(
        "a name with NUL, VT, half a surrogate, `<Dial>`",
        "left out or escaped",
        (
            "test_customers.py::test_names_are_kept_without_what_no_document_may_hold",
            "test_twiml.py::test_a_hostile_name_is_spoken_and_nothing_else",
            "acceptance/test_service.py::test_names_and_fields_cannot_write_twiml",
        ),
    ),
    21: Row("a SpeechResult of 10 kB", "ignored", (f"{HERE}::test_what_was_said_to_a_machine_is_ignored",)),
    22: Row(
        "rota numbers +39899…, +39199…, +39112, +870…, +1876…",
        "refused, with the reason",
        (
            "test_phones.py::test_any_other_is_refused_with_the_reason",
            "test_people.py::test_a_phone_that_may_not_be_dialled_is_refused_with_the_reason",
            "calls/number-of-a-kind-that-is-never-dialled.call",
        ),
    ),
    23: Row("+39333…,,1", "refused", ("test_phones.py::test_any_other_is_refused_with_the_reason",)),
    24: Row(
        "an address to play of another host, or file:",
        "refused",
        (
            f"{HERE}::test_nothing_but_our_own_recordings_is_played",
            "test_parameters.py::test_what_is_no_recording",
            "test_messages.py::test_only_a_recording_is_asked_for",
        ),
    ),
    25: Row("next=//evil, /\\evil", "the home page", ("pages/test_login.py::test_nobody_is_led_elsewhere",)),
    26: Row(
        "urgency 0, 7, none",
        "asked again",
        (
            f"{HERE}::test_what_is_no_urgency_is_asked_again",
            "calls/wrong-keys-at-the-urgency.call",
            "acceptance/test_service.py::test_other_urgencies_are_asked_again",
        ),
    ),
    27: Row(
        "CSV with formulas, a BOM, bad UTF-8, duplicates",
        "errors by row, all or nothing",
        (
            "test_customer_import.py::test_what_is_wrong_with_the_rows",
            "test_customer_import.py::test_encodings_separators_and_ends_of_lines",
            "test_customer_import.py::test_no_exported_cell_is_a_formula",
            "test_commands.py::test_customer_import_refuses_every_mistake_with_its_row",
            "test_nasty_files.py::test_any_sheet_is_imported_whole_or_refused_by_its_rows",
        ),
    ),
    28: Row(
        "windows that overlap, of no length, to 24:00",
        "refused when read",
        (
            "test_settings.py::test_a_mistake_is_named_by_its_path_and_alone",
            "test_hours.py::test_what_is_no_window",
            "test_hours.py::test_windows_that_overlap",
        ),
    ),
    29: Row(
        "a PIN among the arguments of a command",
        "refused, and not repeated",
        (
            "test_commands.py::test_a_pin_in_the_arguments_is_refused_and_not_repeated",
            "test_pin_commands.py::test_a_pin_among_the_arguments_is_refused_and_not_repeated",
        ),
    ),
    30: Row(
        "a weak or missing secret",
        "no start, the setting named",
        (
            "test_settings.py::test_a_weak_secret_from_the_environment_names_the_setting",
            "test_settings.py::test_nothing_is_served_while_something_is_missing",
            "test_signature.py::test_an_empty_token_is_no_token",
        ),
    ),
}


# -- the table ---------------------------------------------------------------------------------


def test_each_of_the_thirty_is_shown() -> None:
    assert list(ROWS) == list(range(1, 31))
    assert all(row.given and row.result and row.shown_by for row in ROWS.values())


@pytest.mark.parametrize("name", sorted({name for row in ROWS.values() for name in row.shown_by}))
def test_what_shows_it_exists(name: str) -> None:
    file, _, test = name.partition("::")
    source = TESTS / file
    assert source.is_file(), name
    if file.endswith(".py"):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name


# -- a house in the middle of a night ------------------------------------------------------------


@dataclass
class Night:
    """A call that was asked for its PIN, and the means to send anything else."""

    rehearsal: Rehearsal
    call: CallerCall
    traces: judging.Traces

    @property
    def standing(self) -> Whole:
        return whole(self.rehearsal.house.database)

    @property
    def form(self) -> Pairs:
        """What Twilio says of the call."""
        return list(self.call.parameters().items())

    def put(self, asked: Asked) -> Answered:
        answered = put(self.rehearsal.app, asked)
        assert b"Traceback" not in answered.body
        assert self.traces.taken() == []
        return answered

    def ask(self, path: str, form: Pairs, **more: Any) -> Answered:
        """A request that Twilio has signed."""
        address = urlsplit(path)
        asked = Asked(
            "POST", address.path, address.query, (("Host", HOST), ("Content-Type", FORM)), encoded(form)
        )
        return self.put(signed(replace(asked, **more), self.rehearsal.auth_token, PUBLIC_URL))

    @property
    def action(self) -> str:
        """Where the answer to the latest question goes."""
        last = self.ask("/voice/fallback", self.form).body.decode()
        found = re.search(r'<(?:Gather|Dial|Record) action="([^"]+)"', last)
        assert found is not None, last
        return found[1].replace("&amp;", "&").removeprefix(PUBLIC_URL)

    def heard(self) -> str:
        return self.ask("/voice/fallback", self.form).body.decode()


def with_(form: Pairs, **changes: str) -> Pairs:
    return list((dict(form) | changes).items())


@pytest.fixture
def night(stage: Callable[..., Rehearsal]) -> Iterator[Night]:
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    with judging.traces() as traces:
        yield Night(rehearsal, rehearsal.exchange.ring("+393471112201", "+390461825060"), traces)


# -- refused at the door (1, 2, 3, 5, 6, 7, 8, 9, 12) --------------------------------------------

ADDRESSES = (
    *(
        "/voice",
        "/voice/turn/1",
        "/voice/fallback",
        "/voice/status",
        "/voice/recording",
        "/sms",
        "/sms/status",
    ),
    *("/voice/technician/0", "/voice/technician/1", "/voice/out/0", "/voice/out/status"),
)
LEGS = ("/voice/technician/0", "/voice/technician/1", "/voice/out/0", "/voice/out/status")
Change = Callable[[Night, Asked], Asked]


def _resigned(change: Callable[[Pairs], Pairs]) -> Change:
    """Another form, rightly signed."""

    def made(night: Night, asked: Asked) -> Asked:
        form = change([*night.form, ("MessageSid", "SM" + "1" * 32), ("Digits", "1")])
        return signed(replace(asked, body=encoded(form)), night.rehearsal.auth_token, PUBLIC_URL)

    return made


def _split_anew(night: Night, asked: Asked) -> Asked:
    """Signed with the key, sent without it: `Digits=1` and `Digit=s1` run together alike."""
    form = [*night.form, ("MessageSid", "SM" + "1" * 32)]
    right = signature(night.rehearsal.auth_token, PUBLIC_URL + asked.target, [*form, ("Digits", "1")])
    return replace(asked, body=encoded([*form, ("Digit", "s1")])).with_headers((SIGNATURE, right))


# What is sent, and how it may be answered. A signed request that is malformed is hung up on a leg.
REFUSED: dict[str, tuple[Change, set[int]]] = {
    "1 no signature": (
        lambda _, asked: replace(asked, headers=tuple(h for h in asked.headers if h[0] != SIGNATURE)),
        {403},
    ),
    "2 an empty signature": (lambda _, asked: asked.with_headers((SIGNATURE, "")), {403}),
    "2 not ASCII": (lambda _, asked: asked.with_headers((SIGNATURE, "é" * 28)), {403}),
    "3 an impossible host": (lambda _, asked: asked.with_headers(("Host", "x:99999")), {400, 403}),
    "5 JSON": (
        lambda _, asked: replace(asked, body=b'{"CallSid": "CA"}').with_headers(
            ("Content-Type", "application/json")
        ),
        {415},
    ),
    "5 multipart": (
        lambda _, asked: asked.with_headers(("Content-Type", "multipart/form-data; boundary=x")),
        {415},
    ),
    "6 Digits twice": (_resigned(lambda form: [*form, ("Digits", "3")]), {400}),
    # A text message has no keys: there it is one more parameter that nobody reads.
    "7 split anew": (_split_anew, {200, 400, 403}),
    "8 a foreign account": (_resigned(lambda form: with_(form, AccountSid="AC" + "f" * 32)), {403}),
    "9 another CallSid": (_resigned(lambda form: with_(form, CallSid="CAxyz", MessageSid="SMxyz")), {400}),
    "9 a line end": (
        _resigned(lambda form: with_(form, CallSid=dict(form)["CallSid"] + "\n", MessageSid="SM1\n")),
        {400},
    ),
    "12 a megabyte": (_resigned(lambda form: with_(form, SpeechResult="x" * 1_000_000)), {413}),
    "12 5,000 parameters": (
        _resigned(lambda form: [*form, *((f"P{n}", "x") for n in range(5000))]),
        {400, 413},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_at_every_address(name: str, night: Night) -> None:
    change, statuses = REFUSED[name]
    before = night.standing
    for path in ADDRESSES:
        asked = Asked("POST", path, "", (("Host", HOST), ("Content-Type", FORM)), encoded(night.form))
        asked = change(night, signed(asked, night.rehearsal.auth_token, PUBLIC_URL))
        answered = night.put(asked)
        if path in LEGS and 400 in statuses and answered.status == 200:
            # Never a document that merely ends, which would connect him.
            assert answered.body.rstrip().endswith(b"<Response><Hangup /></Response>"), path
        else:
            assert answered.status in statuses, path
        assert not night.standing.unlike(before), path
    night.call.press(night.rehearsal.pins["acme"], label="PIN of acme")
    assert "Acme" in night.heard(), "the call goes on as if nothing had come"


FORGED = (
    *(("X-Forwarded-Host", "evil.example.net"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "81")),
    *(
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Forwarded", "host=evil;proto=http"),
    ),
)


def test_forged_headers_are_ignored(night: Night) -> None:
    before, asked = night.standing, night.action
    address = urlsplit(asked)
    headers = (("Host", HOST), ("Content-Type", FORM))
    plain = Asked("POST", address.path, address.query, headers, encoded(with_(night.form, Digits="12")))
    for evil in ("http://evil.example.net", "http://rehearsal.invalid:81", "https://evil.example.net/evil"):
        right_there = signed(plain, night.rehearsal.auth_token, evil)
        assert night.put(right_there.with_headers(*FORGED)).status == 403
    assert not night.standing.unlike(before)
    believed = night.put(signed(plain, night.rehearsal.auth_token, PUBLIC_URL).with_headers(*FORGED))
    assert believed.status == 200
    assert b"evil" not in believed.body


@pytest.mark.parametrize("number", ["+390299999999", "", "+39 0461 825060"])
def test_a_foreign_number_was_not_called(number: str, night: Night) -> None:
    before = night.standing
    form = with_(night.form, To=number, Called=number, CallSid="CA" + "5" * 32)
    for path in ("/voice", "/voice/turn/1", "/voice/fallback"):
        assert night.ask(path, form).status == 403
    assert night.ask("/sms", with_(form, MessageSid="SM" + "1" * 32, Body="OK")).status == 403
    assert not night.standing.unlike(before)


# -- turns (10, 11) --------------------------------------------------------------------------------


def test_an_answered_turn_has_its_answer_and_no_effect(night: Night) -> None:
    """Each turn again with other keys, while the call lasts and after its end."""
    asked: list[tuple[str, Pairs, bytes]] = []

    def turn(digits: str) -> None:
        path, form = night.action, with_(night.form, Digits=digits)
        asked.append((path, form, night.ask(path, form).body))

    def again() -> None:
        before = night.standing
        for path, form, body in asked:
            for digits in ("", "1", "4", "00000000", "²²", "9" * 5000):
                answered = night.ask(path, with_(form, Digits=digits))
                assert (answered.status, answered.body) == (200, body), path
        assert not night.standing.unlike(before)

    for digits in ("12", night.rehearsal.pins["acme"], "0", "2"):
        turn(digits)
        again()
    ended = with_(night.form, CallStatus="completed")
    assert night.ask("/voice/status", ended).status == 204
    again()
    assert night.ask("/voice/status", ended).status == 204
    before, next_turn = night.standing, night.action
    later = re.sub(r"turn/(\d+)", lambda found: f"turn/{int(found[1]) + 3}", next_turn)
    answered = night.ask(later, with_(night.form, Digits="1"))
    assert answered.body.endswith(b"<Response><Hangup /></Response>")
    assert not night.standing.unlike(before)


def test_a_call_nobody_knows_is_noted(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "ivr.security")
    unknown = with_(night.form, CallSid="CA" + "5" * 32, Digits="1")
    answered = night.ask(night.action, unknown)
    assert b"<Gather" in answered.body
    assert any("unknown" in record.getMessage() for record in caplog.records)
    changed = night.standing
    leg = with_(unknown, CallSid="CA" + "6" * 32, Direction="outbound-dial", ParentCallSid="CA" + "5" * 32)
    for path in ("/voice/turn/1", "/voice/technician/0", "/voice/technician/1", "/voice"):
        assert night.ask(path, leg).body.endswith(b"<Response><Hangup /></Response>")
    assert not night.standing.unlike(changed)


# -- what is keyed (13, 14, 15, 26) ---------------------------------------------------------------


def _no_pins(pin: str) -> list[str]:
    arabic = "".join(chr(0x660 + int(digit)) for digit in pin)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in pin)
    other = [arabic, wide, "²²", "²" * 8, pin[:-1] + "²"]
    bent = [pin + "\n", "\n" + pin, " " + pin, pin + "x", pin + "\x00"]
    return [*other, *bent, "", "#", "1", "12", "1234567", "1" * 40, "8" * 5000]


@pytest.mark.parametrize("which", range(17))
def test_what_is_no_pin_is_asked_again_and_is_no_guess(which: int, night: Night) -> None:
    pin = night.rehearsal.pins["acme"]
    assert len(_no_pins(pin)) == 17
    before = night.standing
    answered = night.ask(night.action, with_(night.form, Digits=_no_pins(pin)[which]))
    assert answered.status == 200
    assert b"<Gather" in answered.body
    changed = night.standing.unlike(before)
    assert changed.keys() == {"calls", "turns"}, "no guess is counted, no PIN used, nothing else caused"
    assert "Acme" in night.ask(night.action, with_(night.form, Digits=pin)).body.decode()


@pytest.mark.parametrize("key", ["0", "7", "", "#", "12", "²", "1\n"])
def test_what_is_no_urgency_is_asked_again(key: str, night: Night) -> None:
    night.ask(night.action, with_(night.form, Digits=night.rehearsal.pins["acme"]))
    before = night.standing
    answered = night.ask(night.action, with_(night.form, Digits=key))
    assert b"<Gather" in answered.body
    assert b"<Dial" not in answered.body
    assert night.standing.unlike(before).keys() <= {"calls", "turns"}
    night.ask(night.action, with_(night.form, Digits="1"))
    assert night.standing.unlike(before).keys() >= {"cases", "due_work"}


# -- what else comes along (18, 21, 24) --------------------------------------------------------------


@pytest.mark.parametrize("number", ["anonymous", "", "sip:x@y.example.net", "+266696687", "restricted"])
def test_withheld_numbers_are_one_unknown_number(number: str, night: Night) -> None:
    """Wrong PINs of each count for one and the same number, and not for any customer's."""
    form = with_(night.form, CallSid="CA" + "5" * 32, From=number, Caller=number)
    night.ask("/voice", form)
    before = night.standing
    wrong = night.rehearsal.cast().wrong_pin(0)
    action = "/voice/turn/1"
    assert b"<Gather" in night.ask(action, with_(form, Digits=wrong)).body
    (_, _, counted_for, *_) = night.standing.unlike(before)["pin_tries"][0]
    assert counted_for == ""


def test_what_was_said_to_a_machine_is_ignored(night: Night) -> None:
    silent = with_(night.form, Digits="12")
    talkative = [*silent, ("SpeechResult", "x" * 10_000), ("Confidence", "0.9")]
    answered = night.ask(night.action, talkative)
    assert answered.status == 200
    assert b"xxxx" not in answered.body
    standing = night.standing
    assert not any("xxxx" in str(value) for rows in standing.tables.values() for row in rows for value in row)


@pytest.mark.parametrize(
    "url",
    ["https://evil.example.net/", "file:///etc/passwd/", "http://169.254.169.254/", "//evil/", "javascript:"],
)
def test_nothing_but_our_own_recordings_is_played(url: str, night: Night) -> None:
    """What a request says of a recording's address is played to nobody, whatever stands in it."""
    sid = "RE" + "1" * 32
    form = with_(night.form, RecordingSid=sid, RecordingUrl=url + sid, RecordingDuration="3")
    bodies = [night.ask(path, form).body for path in (night.action, "/voice/fallback", "/voice/recording")]
    assert not any(b"<Play" in body or url.encode() in body for body in bodies)
