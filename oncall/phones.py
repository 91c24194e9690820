"""Which numbers may be dialled at all. Pure; asked when a number is saved and again when it is dialled.

A premium number dialled by mistake or by fraud costs money, a short code may wake the wrong people:
only ordinary mobile and fixed numbers of the allowed countries, and SIP addresses on an allowed
domain, are ever dialled.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Literal

import phonenumbers
from phonenumbers import PhoneNumberType

_ORDINARY = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
}
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sip:[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9.-]{1,253})")


class NumberRefused(ValueError):
    """This number must not be dialled; the text says why. `why` is the reason's name: form (no number as it
    must be written), sip (no address in the form sip:name@domain), domain, country, exists, kind,
    ours (one of our own numbers).
    """

    def __init__(self, text: str, why: str = "form") -> None:
        super().__init__(text)
        self.why = why


def from_keys(keyed: str, countries: Collection[str]) -> str:
    """A number as people key or write it, in E.164: `0461…` and `347…` are of the first of `countries`,
    `0039…` and `+39…` say their own. Raises NumberRefused for what may not be dialled.
    """
    text = f"+{keyed[2:]}" if keyed.startswith("00") else keyed
    if not re.fullmatch(r"\+?[0-9]{5,15}", text):
        raise NumberRefused("not a telephone number")
    try:
        number = phonenumbers.parse(text, next(iter(countries), None))
    except phonenumbers.NumberParseException:
        raise NumberRefused("not a telephone number") from None
    return check(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), countries)


def printed(number: str, country: str) -> str:
    """A number of ours as it is printed for people: as within `country` ("0461 825060"), else from abroad."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    home = phonenumbers.region_code_for_number(parsed) == country
    form = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(parsed, form)


def check(target: str, countries: Collection[str], sip_domains: Collection[str] = ()) -> str:
    """Return `target` if it may be dialled. Raises NumberRefused.

    `countries` are ISO codes ("IT"). Numbers stand in E.164 form, without spaces or pauses.
    """
    return _checked(target, frozenset(countries), frozenset(sip_domains))


# A page that shows twenty people asks for the same numbers again and again, each a third of a millisecond.
@lru_cache(maxsize=1024)
def _checked(target: str, countries: frozenset[str], sip_domains: frozenset[str]) -> str:
    if target.startswith("sip:"):
        found = _SIP.fullmatch(target)
        if not found:
            raise NumberRefused(f"{target!r} is not an address in the form sip:name@domain", "sip")
        if found[1].lower() not in {domain.lower() for domain in sip_domains}:
            raise NumberRefused(f"{target!r}: the domain is not among the allowed SIP domains", "domain")
        return target
    if not _E164.fullmatch(target):
        raise NumberRefused(f"{target!r} is not a telephone number in the form +390461123456")
    try:
        number = phonenumbers.parse(target, None)
    except phonenumbers.NumberParseException:
        raise NumberRefused(f"{target!r} is not a telephone number") from None
    # The library repairs what it can (pauses, zeros): what it repaired is not what we would dial.
    if phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != target:
        raise NumberRefused(f"{target!r} is not a telephone number in the form +390461123456")
    # +1 and +39 are shared by several countries: first the code, then the number.
    regions = set(phonenumbers.region_codes_for_country_code(number.country_code or 0))
    if not regions & set(countries):
        raise NumberRefused(
            f"{target!r} lies outside the allowed countries ({', '.join(sorted(countries))})", "country"
        )
    if not phonenumbers.is_valid_number(number):
        raise NumberRefused(f"{target!r} is not a number that can exist", "exists")
    if phonenumbers.region_code_for_number(number) not in countries:
        raise NumberRefused(
            f"{target!r} lies outside the allowed countries ({', '.join(sorted(countries))})", "country"
        )
    if phonenumbers.number_type(number) not in _ORDINARY:
        raise NumberRefused(f"{target!r} is neither an ordinary mobile nor a fixed number", "kind")
    return target


def is_mobile(number: str) -> bool:
    """Whether text messages reach it; where a country does not tell its mobiles apart, all may be."""
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:  # a sip: address
        return False
    return kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def kind_of(number: str) -> Literal["mobile", "landline", "unknown"]:
    """What a number is by its country's plan; "unknown" for a kind of its own, and for what is no number.
    Where a country does not tell its mobiles apart, every number may be one.
    """
    if is_mobile(number):
        return "mobile"
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return "unknown"
    fixed = phonenumbers.number_type(parsed) == PhoneNumberType.FIXED_LINE
    return "landline" if fixed else "unknown"


def beginnings(text: str, countries: Collection[str]) -> tuple[str, ...]:
    """How a number in E.164 may begin of which people write this, or its first digits: `347 12`, `0461…`,
    `+39 347`, `0039…`. Empty for what is no number, or too short to look for.
    """
    digits = re.sub(r"[\s./()-]", "", text)
    if not re.fullmatch(r"\+?[0-9]{3,15}", digits):
        return ()
    if digits.startswith("+"):
        return (digits,)
    if digits.startswith("00"):
        return (f"+{digits[2:]}",) if len(digits) > 2 else ()
    found = [f"+{digits}"]
    for country in countries:
        code = phonenumbers.country_code_for_region(country)
        trunk = phonenumbers.ndd_prefix_for_region(country, True)  # none in Italy, whose numbers keep their 0
        found.append(f"+{code}{digits.removeprefix(trunk) if trunk else digits}")
    return tuple(dict.fromkeys(found))
