"""The log: one line a turn, and neither a PIN nor a caller's number nor a secret in any line of anybody."""

from __future__ import annotations

import io
import json
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import PEPPER, ROOT, SALT, SEAL, SECOND_PEPPER, SECRETS, TOKEN, configuration
from pydantic import SecretStr

from console.processes.serving import Gunicorn, Size
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration
from console.watching import logs
from console.watching.pseudonyms import pseudonyms
from console.watching.redaction import GONE, Redaction
from pins.drawing import draw, is_weak

REDACT = Redaction()
CALLS = ROOT / "tests" / "calls"
Stage = Callable[..., Rehearsal]


@contextmanager
def written(settings: Configuration | None = None, node: str = "node-1") -> Iterator[io.StringIO]:
    """What the log of this process holds, as it is configured."""
    with pytest.MonkeyPatch.context() as patch:
        kept = io.StringIO()
        patch.setattr("sys.stderr", kept)
        logs.begin(settings, node)
        yield kept


def as_json(settings: Configuration) -> Configuration:
    return settings.model_copy(update={"service": settings.service.model_copy(update={"log": "json"})})


# -- digits ----------------------------------------------------------------------------------------

PINS = st.integers(0, 2**32).map(lambda seed: draw(8 + seed % 5, random.Random(seed)))
NUMBERS = st.one_of(
    st.from_regex(r"\+39(3[0-9]{8,9}|0[1-9][0-9]{5,8})", fullmatch=True),
    st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True),
    st.from_regex(r"0[1-9][0-9]{6,9}", fullmatch=True),
)
GAPS = st.sampled_from(["", " ", "-", ".", ", ", "%20", "\\u0020", "/", "\t"])
WORDS = st.text(alphabet=st.characters(exclude_categories=["Nd", "Cs"]), max_size=12)


def spaced(digits: str, gap: str, every: int) -> str:
    """`digits` as people and programs write them: in groups."""
    return gap.join(digits[start : start + every] for start in range(0, len(digits), every))


def bare(text: str) -> str:
    """Only the digits of a text, in its order: what is left of a number however it is spaced."""
    return "".join(c for c in text.replace("%20", "").replace("\\u0020", "") if c.isdigit())


@settings(deadline=None, max_examples=60)
@given(PINS, GAPS, st.sampled_from([1, 2, 4, 20]), WORDS, WORDS)
@example("48120937", "", 20, "turn 3: Digits=", "&From=")
def test_no_pin_is_left(pin: str, gap: str, every: int, before: str, after: str) -> None:
    assert not is_weak(pin)
    for digits in (pin, pin[::-1], "".join(chr(0x0660 + int(c)) for c in pin)):
        told = REDACT(f"{before}{spaced(digits, gap, every)}{after}")
        assert bare(digits) not in bare(told)
        assert GONE in told
    assert pin.encode().hex() not in REDACT(f"{before} {pin.encode().hex()}{after}")


@settings(deadline=None, max_examples=60)
@given(NUMBERS, GAPS, st.sampled_from([2, 3, 20]), WORDS, WORDS)
@example("+393471112201", "", 20, "caller=%2B39", "")
@example("0461825060", " ", 3, "", "")
def test_no_number_is_left(number: str, gap: str, every: int, before: str, after: str) -> None:
    sign = "+" if number.startswith("+") else ""
    told = REDACT(f"{before}{sign}{spaced(number.removeprefix('+'), gap, every)}{after}")
    assert number.removeprefix("+")[-6:] not in bare(told)


@pytest.mark.parametrize(
    "line",
    [
        "call CA0123456789abcdef0123456789abcdef: turn 3 asked, 4 expected",
        "the database is away since 2026-03-10T21:00:00.123456+00:00",
        "backup ivr-2026-03-10T033000Z.backup: 4711 rows, 1048576 bytes",
        "2026-03-10 22:00:00,123 INFO ivr.worker worker started",
        "case 2026-00412 is taken by anna",
        "still listening at 127.0.0.1:8080: that changes at a restart only",
        "webhooks ended with -9; started again in 16.5 s",
        'File "/opt/ivr/desk.py", line 1204, in answer',
        "PINs will not be found: pepper 2, cost 1 (19456 KiB, 2 passes)",
    ],
)
def test_what_a_reader_needs_stays(line: str) -> None:
    assert REDACT(line) == line


@pytest.mark.parametrize(
    ("line", "gone"),
    [
        ("POST /voice/turn/3?l=gAAAAABlzY0aBcDeFgHiJkLmNoPqRsTuVwXyZ012345", "gAAAAABlzY0a"),
        ("GET /c/3q2-7wAbCdEfGhIjKlMnOpQr", "3q2-7w"),
        ("GET /cal/3q2-7wAbCdEfGhIjKlMnOpQr.ics", "3q2-7w"),
        (f"X-Twilio-Token: {TOKEN}", TOKEN),
        ("postgresql://ivr:hunter2@db.example.net/ivr", "hunter2"),
        ("Authorization: Bearer s3cr3t-of-somebody", "s3cr3t"),
        ("Authorization: Basic QUMxMjM0NTY6c2VjcmV0", "QUMxMjM0"),
        ("From=sip:mario.rossi@pbx.example.net", "mario"),
        ("on 2023-02-31 nothing happened", "2023-02-31"),
    ],
)
def test_what_else_is_taken(line: str, gone: str) -> None:
    assert gone in line
    assert gone not in REDACT(line)


# -- whoever logs, and however --------------------------------------------------------------------


def test_every_line_of_every_logger_with_any_handler(tmp_path: Path) -> None:
    """A library that brings its own handler and formatter goes through it, too; so do tracebacks."""
    own = io.StringIO()
    library = logging.getLogger("some.library")
    handler = logging.StreamHandler(own)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(message)s"))
    library.addHandler(handler)
    try:
        with written(configuration(tmp_path)) as kept:
            library.warning("keyed %s by %s", "48120937", "+393471112201")
            library.warning({"Digits": "48120937", "From": "+393471112201"}, stack_info=True)
            try:
                try:
                    raise ValueError("48120937")
                except ValueError as error:
                    raise KeyError("+393471112201 with " + TOKEN) from error
            except KeyError:
                library.exception("failed for +39 347 111 2201")
            handler.flush()
    finally:
        library.removeHandler(handler)
    for text in (own.getvalue(), kept.getvalue()):
        assert text.count(GONE) >= 6
        assert "Traceback" in text
        assert "test_logs.py" in text
        assert not [each for each in ("48120937", "3471112201", "2201", TOKEN) if each in text]


def test_no_secret_of_the_configuration_is_logged(tmp_path: Path) -> None:
    settings = configuration(
        tmp_path, SECRETS | {"IVR_MAIL_PASSWORD": "correct-horse", "IVR_SERVICE_SIGNING_KEY": PEPPER[::-1]}
    )
    notices = settings.notices.model_copy(update={"services": {"a": SecretStr("tgram://Some-Token/CHAT")}})
    url = settings.database.model_copy(update={"url": "postgresql://ivr:pass-word@localhost/ivr"})
    settings = settings.model_copy(update={"notices": notices, "database": url})
    known = ["correct-horse", "tgram://Some-Token/CHAT", "pass-word", PEPPER[::-1], SEAL, TOKEN, PEPPER, SALT]
    with written(settings) as kept:
        for each in known:
            logging.getLogger("anybody").error("here it is: %s.", each)
            logging.getLogger("anybody").error(f"x{each}x")
    assert kept.getvalue().count(GONE) == 2 * len(known)
    assert [each for each in known if each in kept.getvalue()] == []


def test_gunicorn_logs_as_all_else(tmp_path: Path) -> None:
    server = Gunicorn(
        "webhooks", configuration(tmp_path), lambda _: [], lambda _: "127.0.0.1:1", lambda _: Size(1, 1)
    )
    logger = server.cfg.logger_class(server.cfg)
    assert logger.error_log.handlers == []
    with written() as kept:
        logger.error("Invalid request from ip=10.0.0.1: %s", "Digits=48120937")
        logger.info("not said")
    assert kept.getvalue().count("\n") == 1
    assert f"Digits={GONE}" in kept.getvalue()


# -- its form --------------------------------------------------------------------------------------


def test_lines_of_json(tmp_path: Path) -> None:
    with written(as_json(configuration(tmp_path)), "node-1") as kept:
        logging.getLogger("ivr.worker").info("worker started")
        try:
            raise RuntimeError("two\nlines")
        except RuntimeError:
            logging.getLogger("ivr").exception("failed")
        logging.getLogger("ivr").debug("not said")
    first, second = (json.loads(line) for line in kept.getvalue().splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {"level": "info", "logger": "ivr.worker", "message": "worker started", "node": "node-1"}
    assert second["level"] == "error"
    assert "RuntimeError: two\nlines" in second["traceback"]


def test_begun_again_it_is_written_once_and_as_configured_now(tmp_path: Path) -> None:
    with written() as kept:
        logs.begin(configuration(tmp_path), "a")
        logs.begin(as_json(configuration(tmp_path)), "b")
        logging.getLogger("ivr").info("once")
    assert json.loads(kept.getvalue())["node"] == "b"


def test_a_command_that_plays_calls_says_nothing_of_their_turns(tmp_path: Path) -> None:
    with written() as kept:
        logging.getLogger("ivr.turns").info("turn")
        logging.getLogger("ivr.worker").info("worker started")
    assert "ivr.turns" not in kept.getvalue()
    assert "worker started" in kept.getvalue()


def test_a_pseudonym_tells_callers_apart_and_no_more(tmp_path: Path) -> None:
    one = pseudonyms(configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": PEPPER[::-1]}))
    again = pseudonyms(configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": PEPPER[::-1]}))
    other = pseudonyms(configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": SECOND_PEPPER}))
    assert one("+393471112201") == again("+393471112201") != other("+393471112201")
    assert one("+393471112201")[:-4] != one("+393471112202")[:-4]
    assert one("+393471112201").endswith("…201")
    assert one("4456").isalnum()
    assert "4456"[-3:] not in one("4456")
    unsigned = configuration(tmp_path)
    assert pseudonyms(unsigned)("+39347") != pseudonyms(unsigned)("+39347")


# -- conversations ---------------------------------------------------------------------------------


def turns_of(kept: io.StringIO, door: str = "caller") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in kept.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "ivr.turns" and line["door"] == door]


def test_one_line_a_turn(stage: Stage) -> None:
    house = stage()
    with written(as_json(house.configuration)) as kept:
        house.play((CALLS / "first-technician-accepts.call").read_text("utf-8"))
    turns = turns_of(kept)
    assert [turn.get("turn") for turn in turns] == [0, 1, 2, 3, 4, 5, None]
    assert [(turn["from"], turn["to"], turn["said"]) for turn in turns[:2] + turns[3:6]] == [
        ("arrival", "pin", "gather"),
        ("pin", "urgency", "gather"),
        ("urgency", "accepted", "gather"),
        ("accepted", "ringing", "dial"),
        ("ringing", "ended", "hangup"),
    ]
    assert len({turn["call"] for turn in turns}) == 1
    assert {turn["by"] for turn in turns} == {"database"}
    assert all(turn["ms"] > 0 and turn["caller"].endswith("…201") for turn in turns)
    legs = turns_of(kept, "technician")
    assert [(leg["turn"], leg["to"], leg["said"]) for leg in legs] == [
        (0, "picked up", "gather"),
        (1, "accepted", "say"),
    ]
    assert not any("caller" in leg for leg in legs)


def test_who_served_it_and_that_it_was_asked_again(stage: Stage) -> None:
    house = stage()
    with written(as_json(house.configuration)) as kept:
        house.play((CALLS / "database-goes-away-in-the-middle.call").read_text("utf-8"))
    served = [turn["by"] for turn in turns_of(kept)]
    assert served[0] == "database"
    assert "standby" in served


# What only the player of all conversations can answer.
ASKED_ELSEWHERE = ("* a PIN was wrong", "* work ", "* no work", "* an error is")


def canaries(house: Rehearsal) -> list[str]:
    """What must stand nowhere: PINs, and the numbers of whoever calls and is called."""
    cast = house.cast()
    pins = [*cast.pins.values(), *(cast.wrong_pin(which) for which in range(6))]
    numbers = [phone.removeprefix("+39") for phone in cast.people.values() if phone.startswith("+39")]
    assert len(pins) > 6
    assert len(numbers) > 4
    return pins + numbers


@pytest.mark.parametrize(
    ("name", "form", "careless"),
    [
        ("database-away", "text", False),
        ("two-wrong-pins-then-right", "json", False),
        ("pursued-and-taken-by-text", "text", True),
        ("wrong-pin-three-times", "json", True),
    ],
)
def test_neither_pin_nor_number_in_the_log_of_a_call(
    stage: Stage, name: str, form: str, careless: bool
) -> None:
    """Also when somebody logs whole requests, and fails with them: then only the redaction stands between."""
    house = stage()
    if careless:

        @house.app.before_request
        def careless_line() -> None:
            logging.getLogger("careless").info("got %s", dict(request.form))
            try:
                raise LookupError(request.get_data(as_text=True))
            except LookupError:
                logging.getLogger("careless").exception("lost %r", request.form.get("Digits"))

    settings = as_json(house.configuration) if form == "json" else house.configuration
    with written(settings) as kept:
        logging.getLogger().setLevel(logging.DEBUG)
        lines = (CALLS / f"{name}.call").read_text("utf-8").splitlines()
        house.play("\n".join(line for line in lines if not line.startswith(ASKED_ELSEWHERE)))
    text = kept.getvalue()
    assert text.count("ivr.turns") > 3
    found = [number for number, canary in enumerate(canaries(house)) if canary in text]
    assert found == []
    if careless:
        assert GONE in text
