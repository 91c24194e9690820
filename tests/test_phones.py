"""Which numbers may be dialled: ordinary Italian ones and allowed SIP addresses, and nothing else."""

from __future__ import annotations

import pytest

from oncall import phones
from oncall.phones import NumberRefused
from oncall.settings import RingingSettings


@pytest.mark.parametrize(
    "number",
    ["+393331234501", "+393471112201", "+390461825060", "+390465324963", "+390236696600"],
)
def test_an_ordinary_italian_number_may_be_dialled(number: str) -> None:
    assert phones.check(number, ["IT"]) == number


REFUSED = {
    "premium 899": "+39899123456",
    "premium 892": "+39892424",
    "shared cost 199": "+39199123456",
    "shared cost 848": "+39848800800",
    "toll-free 800": "+39800123456",
    "emergency": "+39112",
    "emergency, the old one": "+39118",
    "short code": "+394242",
    "satellite": "+870773111632",
    "satellite, Iridium": "+8816212345678",
    "international networks": "+883510012345",
    "Caribbean fraud": "+18765551234",
    "a neighbour that is not allowed": "+436601234567",
    "San Marino": "+378054900000",
    "tones after a pause": "+393331234501,,1",
    "a pause": "+393331234501p1",
    "an extension": "+393331234501;ext=1",
    "spaces": "+39 333 1234501",
    "dashes": "+39333-1234501",
    "no country": "3331234501",
    "00 for +": "00393331234501",
    "a trailing line end": "+393331234501\n",
    "digits of another script": "+39٣٣٣١٢٣٤٥٠١",
    "too short": "+393331",
    "too long": "+3933312345012345",
    "a landline without its zero": "+39461825060",
    "nothing": "",
    "a word": "anonymous",
    "tel:": "tel:+393331234501",
    "markup": "+393331234501<Sip>",
}


@pytest.mark.parametrize("number", REFUSED.values(), ids=REFUSED.keys())
def test_any_other_is_refused_with_the_reason(number: str) -> None:
    with pytest.raises(NumberRefused) as refused:
        phones.check(number, ["IT"])
    assert repr(number) in str(refused.value)
    assert len(str(refused.value)) > len(repr(number)) + 15


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+39899123456", "neither an ordinary mobile nor a fixed"),
        ("+18765551234", "outside the allowed countries"),
        ("+870773111632", "outside the allowed countries"),
        ("+39333123", "not a number that can exist"),
        ("+393331234501,,1", "in the form"),
    ],
)
def test_the_reason_is_the_right_one(number: str, why: str) -> None:
    with pytest.raises(NumberRefused, match=why):
        phones.check(number, ["IT"])


def test_another_country_is_a_matter_of_settings() -> None:
    settings = RingingSettings(countries=["IT", "AT"])
    assert settings.check_number("+436641234567") == "+436641234567"
    with pytest.raises(NumberRefused, match="AT, IT"):
        settings.check_number("+4915112345678")


@pytest.mark.parametrize("country", ["it", "ITA", "39", "", "Ì"])
def test_a_country_is_two_capitals(country: str) -> None:
    with pytest.raises(ValueError, match="ISO country codes"):
        RingingSettings(countries=[country])


def test_a_sip_address_on_an_allowed_domain() -> None:
    allowed = RingingSettings(sip_domains=["PBX.example.net"])
    assert allowed.check_number("sip:anna@pbx.example.net") == "sip:anna@pbx.example.net"


@pytest.mark.parametrize(
    "address",
    [
        "sip:anna@evil.example",
        "sip:anna@pbx.example.net.evil.example",
        "sip:anna@sub.pbx.example.net",
        "sip:anna@pbx.example.net;transport=tcp",
        "sip:anna@pbx.example.net?Subject=x",
        "sip:anna@pbx.example.net:5060",
        "sip:@pbx.example.net",
        "sip:anna",
        "sip:a b@pbx.example.net",
        "sip:anna@pbx.example.net\n",
        "sips:anna@pbx.example.net",
        "SIP:anna@pbx.example.net",
    ],
)
def test_any_other_sip_address_is_refused(address: str) -> None:
    with pytest.raises(NumberRefused):
        phones.check(address, ["IT"], ["pbx.example.net"])
