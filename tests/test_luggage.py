"""What a call carries in its addresses: sealed, complete enough to go on, and never a PIN."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, replace
from datetime import date, timedelta

import pytest
from cryptography.fernet import Fernet
from making import NIGHT, SEAL, SID

from ivr.standby.luggage import LuggageRefused, Seal, carried, of_call, of_leg, of_sound
from ivr.vocabulary import Call, CustomerFacts, KnownCase, LadderPlace, NewCase, Outcome, Step

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
# Every field of a call that may be empty, filled.
EVERYTHING = replace(
    ACCEPTED,
    outcome=Outcome.CONNECTED,
    missed=1,
    office=(("+390461000001",), ("+390461000002", "+390461000003")),
    pin_offered=False,
    wrong_pins=1,
    pin_phase_ends=NIGHT + timedelta(seconds=180),
    more_time_given=True,
    hash_may_follow=True,
    refused="no-contract",
    billable=True,
    definitions_heard=1,
    codes_tried=1,
    known_case=KnownCase(3, "2026-00003", "1234", NIGHT, NIGHT + HOUR, "anna", "Anna"),
    ringing_since=NIGHT,
    reconnects=1,
    screen=True,
    name_recording=RECORDING,
    screening_since=NIGHT,
    pin_last_day=date(2026, 3, 14),
    challenge="47",
    blocked=True,
)


def test_every_field_is_tried() -> None:
    bare = Call(SID, "", "", "")
    alike = [f.name for f in fields(Call) if getattr(EVERYTHING, f.name) == getattr(bare, f.name)]
    assert set(alike) <= {"sid", "languages", "case_id", "attempt_id"}


def test_what_is_sealed_is_opened_again() -> None:
    seal = Seal([SEAL])
    contents = of_call(ACCEPTED, 6)
    assert seal.open(seal.close(contents, NIGHT)) == contents


def test_a_sealed_text_needs_no_escaping_in_an_address() -> None:
    sealed = Seal([SEAL]).close(of_call(ACCEPTED, 6), NIGHT)
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    # Addresses of some thousand characters are cut off by servers.
    assert len(sealed) < 700


def test_nothing_can_be_read_in_it() -> None:
    sealed = Seal([SEAL]).close(of_call(ACCEPTED, 6), NIGHT)
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for secret in (b"4712", b"ringing", b"2026-00012", b"P1+"):
        assert secret not in raw


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_a_changed_character_is_refused(place: int) -> None:
    seal = Seal([SEAL])
    sealed = seal.close(of_call(ACCEPTED, 6), NIGHT)
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


@pytest.mark.parametrize("call", [CALL, ACCEPTED, UNVERIFIED, EVERYTHING], ids=lambda call: call.step)
def test_the_whole_call_travels(call: Call) -> None:
    sealed = Seal([SEAL]).close(of_call(call, 6), NIGHT)
    found = carried(Seal([SEAL]).open(sealed))
    assert found is not None
    assert found.turn == 6
    assert found.call == replace(call, caller="", languages=(), case_id=None, attempt_id=None)


def test_a_leg_carries_its_call_and_how_far_it_has_come() -> None:
    contents = of_leg(ACCEPTED, 6, leg_turn=1, silences=1)
    assert (contents["leg"], contents["silences"]) == (1, 1)
    assert carried(contents) == carried(of_call(ACCEPTED, 6))


@pytest.mark.parametrize(
    "contents", [{}, {"call": SID}, {"c": {}, "t": 1}, {"c": {"sid": SID}, "t": 1}, {"c": 5, "t": 1}]
)
def test_what_is_no_call_is_none(contents: dict[str, object]) -> None:
    assert carried(contents) is None


def test_what_a_later_version_adds_is_passed_over() -> None:
    contents = of_call(ACCEPTED, 6)
    contents["c"]["mood"] = "calm"
    assert carried(contents) == carried(of_call(ACCEPTED, 6))


def test_a_ladder_of_many_phones_stays_short() -> None:
    ladder = tuple(
        LadderPlace(rung, f"technician{rung}", f"Name {rung}", f"Name {rung}", f"+39333123{rung:04d}", 25)
        for rung in range(30)
    )
    call = replace(ACCEPTED, ladder=ladder, tried=tuple(place.phone for place in ladder))
    assert len(Seal([SEAL]).close(of_call(call, 6), NIGHT)) < 2000


def test_it_never_holds_a_number_of_the_caller() -> None:
    for call in (CALL, ACCEPTED, UNVERIFIED):
        assert "+39347" not in json.dumps(of_call(call, 6))
        assert "+39347" not in json.dumps(of_leg(call, 6, leg_turn=0, silences=0))


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
