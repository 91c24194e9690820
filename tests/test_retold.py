"""Whatever the journal says of a caller can be read back, for pages to say in words of their own."""

from __future__ import annotations

import pytest
from making import NIGHT

from ivr import vocabulary
from ivr.records import retold
from ivr.retelling import retell
from ivr.vocabulary import CustomerFacts, Heard, KnownCase, NewCase

KNOWN = KnownCase(1, "2026-00001", "1234", NIGHT, NIGHT)
CUSTOMER = CustomerFacts(1, "ACME", "Acme", None)
CASE = NewCase("2026-00001", "1234", NIGHT)
RINGING = {"passes": 2, "no_new_attempt_after": 240}
RESULTS = ("accepted", "connected", "declined", "no-answer", "busy", "failed", "unconfirmed")
WITH = {
    "ArrivedInFlood": [{"digits": "47"}],
    "ArrivedByDay": [{"office": ()}],
    "PinWrong": [
        {"why": why, "full_length": True} for why in ("unknown", "revoked", "expired", "not evaluated")
    ],
    "PinAccepted": [{"customer": CUSTOMER, "pin_id": 1, "covered": True, "full_length": True}],
    "UrgencyChosen": [{"code": "P1+", "case": CASE, "ladder": ()}],
    "UrgencyAgain": [{"code": "P2", "known": KNOWN}],
    "SameProblem": [{"due_at": NIGHT, "ladder": ()}],
    "CodeChecked": [{"known": None}, {"known": KNOWN}],
    "AttemptEnded": [{**RINGING, "result": result} for result in RESULTS],
    "KeepsWaiting": [RINGING],
    "WantsCallBack": [{**RINGING, "number": None}],
    "NumberGiven": [{**RINGING, "number": None}, {**RINGING, "number": "+390461000000"}],
    "WantsReconnect": [RINGING],
    "MessageLeft": [{"seconds": 12}],
    "ReadyToScreen": [{**RINGING, "case": CASE, "ladder": ()}],
}


def everything() -> list[Heard]:
    """One of each thing that can be heard, in each of its wordings."""
    found: list[Heard] = []
    kinds = [Heard]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        if kind.__name__ in ("Heard", "WhileRinging"):
            continue
        found += [kind(at=NIGHT, **more) for more in WITH.get(kind.__name__, [{}])]
    return found


@pytest.mark.parametrize("heard", everything(), ids=lambda heard: type(heard).__name__)
def test_every_phrase_is_read_back(heard: Heard) -> None:
    phrase = retell(heard)
    read = retold.read(phrase)
    assert read.name, phrase
    assert not read.gone
    if not isinstance(heard, vocabulary.Left):
        gone = retold.read(f"{phrase}, hung up")
        assert (gone.name, gone.values, gone.gone) == (read.name, read.values, True)


def test_no_two_phrases_are_taken_for_the_same() -> None:
    names = [(retold.read(retell(heard)).name, retold.read(retell(heard)).values) for heard in everything()]
    assert len({(name, *values.items()) for name, values in names}) == len(names)
    assert {name for name, _ in names} == set(retold.NAMES)


def test_a_phrase_of_tomorrow_is_no_fault() -> None:
    assert retold.read("sings a song, hung up") == retold.Retold("", {}, True)
