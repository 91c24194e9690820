"""The stand-in for Twilio's REST interface: it keeps what it is told, and refuses what no document has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from making import ACCOUNT, TOKEN
from pydantic import SecretStr
from twilio_rest import validation
from twilio_rest.account import Account, routes
from twilio_rest.server import StandIn, serving

from oncall.notices.channels import ChannelFailed
from webhooks.rest.account import RestAccount
from webhooks.settings import TwilioSettings

VOICE = {"voice_url": "https://ivr.example.net/voice", "voice_method": "POST"}
FALLBACK = {"voice_fallback_url": "https://ivr.example.net/voice/fallback"}


@pytest.fixture
def account() -> Account:
    return Account(ACCOUNT, TOKEN)


@pytest.fixture
def twilio(account: Account) -> Iterator[StandIn]:
    with serving(account.sid, account.token, routes(account)) as stand_in:
        yield stand_in


@pytest.fixture
def lenient(account: Account) -> Iterator[StandIn]:
    """One that is asked wrong things."""
    if not validation.there():
        pytest.skip(validation.MISSING)
    with serving(account.sid, account.token, routes(account), wrong_is_failure=False) as stand_in:
        yield stand_in


def asking(twilio: StandIn, token: str = TOKEN) -> RestAccount:
    return RestAccount(
        TwilioSettings(account_sid=ACCOUNT, auth_tokens=[SecretStr(token)], api_base=twilio.base)
    )


def test_the_account_is_read(twilio: StandIn, account: Account) -> None:
    account.kind, account.verified = "Trial", ["+39046100001"]
    facts = asking(twilio).facts()
    assert (facts.sid, facts.kind, facts.status, facts.parent) == (ACCOUNT, "Trial", "active", None)
    assert asking(twilio).verified_callers() == ["+39046100001"]
    balance = asking(twilio).balance()
    assert balance is not None
    assert (balance.amount, balance.currency) == (42.17, "EUR")
    assert [asking(twilio).may_dial(each) for each in ("IT", "SM", "XX")] == [True, False, None]
    account.owner = "AC" + "9" * 32
    assert asking(twilio).balance() is None


def test_all_pages_of_numbers_are_read(twilio: StandIn, account: Account) -> None:
    wanted = [f"+3904618250{index:03}" for index in range(203)]
    for number in wanted:
        account.add(number)
    assert [each.number for each in asking(twilio).numbers()] == wanted
    assert len(twilio.asked) == 3


def test_a_number_keeps_what_is_written(twilio: StandIn, account: Account) -> None:
    sid = account.add("+390461825060", voice_url="", trunk_sid="TK" + "1" * 32)
    assert asking(twilio).numbers()[0].diverted_by == "TK" + "1" * 32
    with pytest.raises(ChannelFailed, match="21405"):
        asking(twilio).change_number(sid, FALLBACK)
    changed = asking(twilio).change_number(sid, {**VOICE, **FALLBACK, "trunk_sid": ""})
    assert changed == asking(twilio).numbers()[0]
    assert changed.diverted_by is None
    assert changed.addresses["voice_fallback_url"] == FALLBACK["voice_fallback_url"]
    asking(twilio).change_number(sid, {"voice_application_sid": "AP" + "1" * 32})
    taken = asking(twilio).change_number(sid, {"trunk_sid": "TK" + "2" * 32})
    assert taken.addresses["voice_application_sid"] == ""
    with pytest.raises(ChannelFailed, match="20404"):
        asking(twilio).change_number("PN" + "f" * 32, VOICE)


def test_who_is_not_the_account_is_refused(twilio: StandIn) -> None:
    with pytest.raises(ChannelFailed, match="20003"):
        asking(twilio, token="f0e1d2c3" * 4).numbers()
    assert twilio.asked == []


def test_a_planted_fault_refuses_once_and_may_lose_the_answer_alone(
    twilio: StandIn, account: Account
) -> None:
    sid = account.add("+390461825060")
    twilio.fail("POST", sid, 500, 20500, after=1, done=True)
    asking(twilio).change_number(sid, {"voice_url": ""})
    with pytest.raises(ChannelFailed, match="20500"):
        asking(twilio).change_number(sid, VOICE)
    assert account.numbers[sid]["voice_url"] == VOICE["voice_url"]
    asking(twilio).change_number(sid, VOICE)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a field that is none": ("", {"VoiceAddress": "https://a.example"}, "there is no VoiceAddress"),
    "an address that is none": ("", {"VoiceUrl": "a.example"}, "VoiceUrl"),
    "another method": ("", {"VoiceMethod": "PATCH"}, "VoiceMethod"),
    "half a sid": ("", {"TrunkSid": "TK1"}, "TrunkSid"),
    "an application that is a trunk": ("", {"VoiceApplicationSid": "TK" + "1" * 32}, "VoiceApplicationSid"),
    "neither yes nor no": ("", {"VoiceCallerIdLookup": "maybe"}, "VoiceCallerIdLookup"),
    "twice": ("", {"VoiceUrl": ["https://a.example", "https://b.example"]}, "2 times"),
    "a query": ("?Force=1", {"VoiceMethod": "POST"}, "there is no Force"),
}


@pytest.mark.parametrize(("query", "form", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_is_not_in_the_document_is_caught(
    query: str, form: dict[str, Any], told: str, lenient: StandIn, account: Account
) -> None:
    sid = account.add("+390461825060")
    before = dict(account.numbers[sid])
    path = f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{sid}.json"
    answer = requests.post(lenient.base + path + query, data=form, auth=(ACCOUNT, TOKEN), timeout=10)
    assert answer.status_code == 422
    assert told in lenient.wrong[0]
    assert account.numbers[sid] == before


def test_an_answer_that_is_not_in_the_document_is_caught(lenient: StandIn, account: Account) -> None:
    account.add("+390461825060", voice_method="PUT")
    asking(lenient).numbers()
    assert len(lenient.wrong) == 1
    assert "PUT" in lenient.wrong[0]


def test_what_twilio_shows_as_answers_passes(account: Account) -> None:
    """So no more is let pass than must be."""
    if not validation.there():
        pytest.skip(validation.MISSING)
    for route in routes(account):
        assert route.document is not None
        known = validation.document(route.document)
        examples = known.examples(route.method, route.path)
        assert examples
        status = known.success(route.method, route.path)
        for example in examples:
            assert known.wrong_answer(route.method, route.path, status, example) == []
