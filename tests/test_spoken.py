"""How long each prompt really takes to say, measured with a voice; and what cannot be keyed over."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest

from console.phone.events import Called, Pressed, Rang
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration
from ivr.prompts import Speaker, catalogue, spoken_languages
from ivr.technician_flow import FIRST_WAIT
from ivr.vocabulary import Clock, Day, Definitions, Digits, UrgencyMenu, UrgencyName, Value, line
from ivr.wording import NAME_LIMIT

VOICES = {"it": "it", "en": "en-gb", "de": "de"}
# Seconds: of any prompt, of the menu of urgencies, of what one level means.
PROMPT, MENU, DEFINITION = 12, 15, 8
# espeak-ng writes 16-bit mono at this rate, after a header of 44 bytes.
SAMPLES_A_SECOND = 22_050
NIGHT = datetime(2026, 3, 10, 21, 0, tzinfo=UTC)


def voice() -> str:
    found = shutil.which("espeak-ng")
    if found is None:
        reason = "espeak-ng is missing: prompts cannot be measured"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@cache
def seconds(text: str, language: str) -> float:
    spoken = subprocess.run(
        [voice(), "-v", VOICES[language], "--stdout", text], capture_output=True, check=True
    )
    return (len(spoken.stdout) - 44) / 2 / SAMPLES_A_SECOND


@pytest.mark.parametrize("language", spoken_languages())
def test_every_prompt_is_short_enough(language: str, shipped_configuration: Configuration) -> None:
    """With the longest values of the cast."""
    speaker = Speaker("Cloudfabric", shipped_configuration.zone, shipped_configuration.urgency)
    values: dict[str, Value] = {
        "customer": "Frutticoltori Val di Sole",
        "code": Digits("4712"),
        "due": Clock(NIGHT + timedelta(hours=4)),
        "at": Clock(NIGHT + timedelta(days=9)),
        "urgency": UrgencyName("P1+"),
        "number": Digits("201"),
        "since": Clock(NIGHT - timedelta(hours=20)),
        "technician": "Anna Rossi",
        "address": "assistenza@example.net",
        "until": Day(date(2026, 9, 28)),
        "digits": Digits("47"),
        "text": "Il suo turno di reperibilità comincia alle 18:30.",
    }
    long: dict[str, float] = {}
    for name in catalogue(language).sentences:
        limit = {"urgency-menu": MENU, "definitions": DEFINITION}.get(name, PROMPT)
        levels = Definitions() if name == "definitions" else UrgencyMenu()
        # A whole telephone number is spoken of to technicians only; a caller hears its last digits.
        whole = {"number": Digits("+4915112345678")} if name == "technician-screened-number" else {}
        for speech in speaker.say(line(name, **values | whole, levels=levels), language, NIGHT):
            took = seconds(speech.text, language)
            assert took > 0.3, f"{name} is not spoken"
            if took > limit:
                long[name] = took
    assert long == {}


@pytest.mark.parametrize("language", spoken_languages())
def test_a_voicemail_hears_who_is_not_verified_for_twenty_seconds_at_most(
    language: str, shipped_configuration: Configuration
) -> None:
    """What is said around the recording, the longest recording there can be, and six seconds of silence."""
    speaker = Speaker("Cloudfabric", shipped_configuration.zone, shipped_configuration.urgency)
    said = [
        speech.text
        for name in ("technician-screened", "technician-keys")
        for speech in speaker.say(line(name), language, NIGHT)
    ]
    assert sum(seconds(text, language) for text in said) + NAME_LIMIT + FIRST_WAIT <= 20


@pytest.mark.parametrize("stars", [0, 1, 2], ids=["it", "en", "de"])
def test_who_knows_the_keys_waits_for_nothing(stars: int, stage: Callable[..., Rehearsal]) -> None:
    """From pick-up to the technician's phone: at most six seconds that cannot be keyed over."""
    rehearsal = stage()
    rehearsal.play("@ 2026-03-10 22:00")
    call = rehearsal.exchange.ring("+393471112201", "+390461825060")
    for _ in range(stars):
        call.press("*#", after=0)
    call.press(rehearsal.pins["acme"], label="PIN of acme", after=0)
    call.press("1", after=0)
    call.press("1", after=0)  # over the case code
    assert call.state == "ringing"
    began = next(event.at for event in call.events if isinstance(event, Called))
    rang = next(event.at for event in call.events if isinstance(event, Rang))
    # A key takes 0.4 s to press on this telephone.
    keyed = sum(8 if e.labelled else len(e.keys) for e in call.events if isinstance(e, Pressed)) * 0.4
    assert (rang - began).total_seconds() - keyed <= 6
