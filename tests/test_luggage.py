"""What a call carries in its addresses: sealed, complete enough to go on, and never a PIN."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from making import NIGHT, SEAL, SID

from ivr.luggage import LuggageRefused, Seal, of_call, of_leg, of_recording, of_sound
from ivr.vocabulary import Call, CustomerFacts, LadderPlace, NewCase, Step

HOUR = timedelta(hours=1)
RECORDING = "RE" + "0" * 31 + "1"
OTHER = Fernet.generate_key().decode()
CALL = Call(SID, "+393471112201", "+390461825060", "it", step=Step.PIN)
ACCEPTED = replace(
    CALL,
    step=Step.RINGING,
    customer=CustomerFacts(7, "ACME", "Acme", None),
    urgency="P1+",
    case=NewCase("2026-00012", "4712", NIGHT + timedelta(hours=1)),
    ladder=(LadderPlace(1, "anna", "Anna", "Anna", "+393331234501", 25),),
    ringing_pass=2,
    tried=("+393331234501",),
)
# Rung for a caller without a verified PIN: nothing was promised.
UNVERIFIED = replace(
    ACCEPTED,
    customer=None,
    urgency=None,
    case=NewCase("2026-00012", "4712", None),
    ringing_pass=1,
    screen=True,
    name_recording=RECORDING,
)


def test_what_is_sealed_is_opened_again() -> None:
    seal = Seal([SEAL])
    contents = of_call(ACCEPTED)
    assert seal.open(seal.close(contents, NIGHT)) == contents


def test_a_sealed_text_needs_no_escaping_in_an_address() -> None:
    sealed = Seal([SEAL]).close(of_call(ACCEPTED), NIGHT)
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(sealed) < 400


def test_nothing_can_be_read_in_it() -> None:
    sealed = Seal([SEAL]).close(of_call(ACCEPTED), NIGHT)
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for secret in (b"4712", b"ringing", b"2026-00012", b"P1+"):
        assert secret not in raw


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_a_changed_character_is_refused(place: int) -> None:
    seal = Seal([SEAL])
    sealed = seal.close(of_call(ACCEPTED), NIGHT)
    changed = "A" if sealed[place] != "A" else "B"
    with pytest.raises(LuggageRefused):
        seal.open(sealed[:place] + changed + sealed[place + 1 :])


@pytest.mark.parametrize("sealed", ["", "=", "x", "è", "\ud800", "gAAAAA", "A" * 5000, "%00", "null", " "])
def test_what_was_not_sealed_by_us_is_refused(sealed: str) -> None:
    with pytest.raises(LuggageRefused):
        Seal([SEAL]).open(sealed)


def test_an_older_key_opens_and_a_foreign_one_does_not() -> None:
    old = Seal([SEAL]).close({"call": SID}, NIGHT)
    assert Seal([OTHER, SEAL]).open(old) == {"call": SID}
    with pytest.raises(LuggageRefused):
        Seal([OTHER]).open(old)
    with pytest.raises(LuggageRefused):
        Seal([SEAL]).open(Seal([OTHER, SEAL]).close({"call": SID}, NIGHT))  # closed with the current key


def test_it_holds_what_was_promised() -> None:
    assert of_call(CALL) == {"s": "pin", "l": "it"}
    assert of_call(ACCEPTED) == {
        "s": "ringing",
        "l": "it",
        "c": 7,
        "u": "P1+",
        "n": "2026-00012",
        "k": "4712",
        "p": 2,
        "t": 1,
    }
    assert of_call(UNVERIFIED) == {
        "s": "ringing",
        "l": "it",
        "u": None,
        "n": "2026-00012",
        "k": "4712",
        "p": 1,
        "t": 1,
    }
    assert of_leg(SID, 3) == {"call": SID, "attempt": 3}
    assert of_recording(SID) == {"call": SID}
    assert of_sound(RECORDING) == {"sound": RECORDING}


def test_it_never_holds_a_number_of_the_caller() -> None:
    for call in (CALL, ACCEPTED, UNVERIFIED):
        assert "+39347" not in json.dumps(of_call(call))


@pytest.mark.parametrize("late", [0, 1, 3599, 3600])
def test_what_is_good_for_an_hour_is_opened_within_it(late: int) -> None:
    seal = Seal([SEAL])
    sealed = seal.close(of_sound(RECORDING), NIGHT)
    opened = seal.open(sealed, at=NIGHT + timedelta(seconds=late), within=HOUR)
    assert opened == {"sound": RECORDING}


@pytest.mark.parametrize("late", [3601, 86_400, -3600])
def test_and_refused_after_it_or_if_it_was_sealed_tomorrow(late: int) -> None:
    seal = Seal([SEAL])
    sealed = seal.close(of_sound(RECORDING), NIGHT)
    with pytest.raises(LuggageRefused):
        seal.open(sealed, at=NIGHT + timedelta(seconds=late), within=HOUR)
    # What is read without asking for its age stays good.
    assert seal.open(sealed) == {"sound": RECORDING}


def test_age_is_told_whichever_key_it_was_sealed_with() -> None:
    old = Seal([SEAL]).close(of_sound(RECORDING), NIGHT)
    both = Seal([OTHER, SEAL])
    assert both.open(old, at=NIGHT, within=HOUR) == {"sound": RECORDING}
    with pytest.raises(LuggageRefused):
        both.open(old, at=NIGHT + 2 * HOUR, within=HOUR)


@pytest.mark.parametrize("sealed", ["", "=", "x", "è", "\ud800", "gAAAAA", "A" * 5000])
def test_what_was_not_sealed_by_us_is_refused_at_any_age(sealed: str) -> None:
    with pytest.raises(LuggageRefused):
        Seal([SEAL]).open(sealed, at=NIGHT, within=HOUR)
