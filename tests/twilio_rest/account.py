"""The account's part of the stand-in: the account, its balance, its numbers, verified callers, countries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twilio_rest.server import UNKNOWN, Asked, Refusal, Route

API, VOICE = "twilio_api_v2010", "twilio_voice_v1"
ROOT = "/2010-04-01/Accounts/{Sid}.json"
BELOW = "/2010-04-01/Accounts/{AccountSid}/"
COUNTRIES = "/v1/DialingPermissions/Countries"
COUNTRY = COUNTRIES + "/{IsoCode}"
LONG_AGO = "Thu, 30 Jul 2015 23:19:04 +0000"

# What a number's update writes, by the name it is read again.
WRITTEN = {
    "FriendlyName": "friendly_name",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "VoiceApplicationSid": "voice_application_sid",
    "TrunkSid": "trunk_sid",
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsFallbackMethod": "sms_fallback_method",
    "SmsApplicationSid": "sms_application_sid",
}
# A fallback, its primary, and what would make Twilio ignore both.
PAIRS = (("voice_fallback_url", "voice_url"), ("sms_fallback_url", "sms_url"))


@dataclass
class Account:
    """What stands at Twilio. `numbers` by sid, as Twilio answers them."""

    sid: str
    token: str
    kind: str = "Full"
    status: str = "active"
    owner: str | None = None
    balance: str = "42.1700"
    currency: str = "EUR"
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    verified: list[str] = field(default_factory=list)
    # Names of WRITTEN that an update leaves as they were, without a word.
    left_alone: set[str] = field(default_factory=set)
    # Countries whose ordinary numbers may be dialled, or not; others Twilio does not know.
    countries: dict[str, bool] = field(default_factory=lambda: {"IT": True, "DE": True, "SM": False})
    # Those of them whose special services and ranges of toll fraud may be dialled too.
    risky: list[str] = field(default_factory=list)

    def add(self, number: str, *, voice: bool = True, text: bool = True, **written: Any) -> str:
        """A number in the account, by default as it is bought; returns its sid."""
        sid = f"PN{len(self.numbers) + 1:032x}"
        self.numbers[sid] = {
            **_bought(self.sid, sid, number),
            "capabilities": {"voice": voice, "sms": text, "mms": False, "fax": False},
            **written,
        }
        return sid

    def number(self, number: str) -> dict[str, Any]:
        """By its E.164 form, as it stands now."""
        return next(each for each in self.numbers.values() if each["phone_number"] == number)


def routes(account: Account) -> list[Route]:
    """What the account answers."""
    part = _Part(account)
    return [
        Route("GET", ROOT, API, part.facts),
        Route("GET", BELOW + "Balance.json", API, part.balance),
        Route("GET", BELOW + "IncomingPhoneNumbers.json", API, part.numbers),
        Route("GET", BELOW + "IncomingPhoneNumbers/{Sid}.json", API, part.number),
        Route("POST", BELOW + "IncomingPhoneNumbers/{Sid}.json", API, part.change),
        Route("GET", BELOW + "OutgoingCallerIds.json", API, part.callers),
        Route("GET", COUNTRIES, VOICE, part.every_country),
        Route("GET", COUNTRY, VOICE, part.country),
    ]


class _Part:
    def __init__(self, account: Account) -> None:
        self._account = account

    def facts(self, asked: Asked) -> dict[str, Any]:
        account = self._account
        if asked.named["Sid"] != account.sid:
            raise Refusal(*UNKNOWN)
        return {
            "auth_token": "shown to nobody here",
            "date_created": LONG_AGO,
            "date_updated": LONG_AGO,
            "friendly_name": "Emergency line",
            "owner_account_sid": account.owner or account.sid,
            "sid": account.sid,
            "status": account.status,
            "subresource_uris": {},
            "type": account.kind,
            "uri": f"/2010-04-01/Accounts/{account.sid}.json",
        }

    def balance(self, asked: Asked) -> dict[str, Any]:
        account = self._account
        if account.owner is not None:
            raise Refusal(*UNKNOWN)
        return {"account_sid": account.sid, "balance": account.balance, "currency": account.currency}

    def numbers(self, asked: Asked) -> dict[str, Any]:
        found = list(self._account.numbers.values())
        if wanted := asked.query.get("PhoneNumber"):
            found = [each for each in found if each["phone_number"] == wanted]
        return paged(asked, "incoming_phone_numbers", found)

    def number(self, asked: Asked) -> dict[str, Any]:
        found = self._account.numbers.get(asked.named["Sid"])
        if found is None:
            raise Refusal(*UNKNOWN)
        return found

    def change(self, asked: Asked) -> dict[str, Any]:
        """A fallback needs its primary; an application takes a trunk away and the other way round."""
        found = self.number(asked)
        form = {k: v for k, v in asked.form.items() if k in WRITTEN and k not in self._account.left_alone}
        made = {**found, **{WRITTEN[name]: value for name, value in form.items()}}
        if form.get("VoiceApplicationSid"):
            made["trunk_sid"] = None
        elif form.get("TrunkSid"):
            made["voice_application_sid"] = ""
        # As Twilio reads it back: a trunk that was taken away is none at all.
        made["trunk_sid"] = made["trunk_sid"] or None
        for fallback, primary in PAIRS:
            if made[fallback] and not made[primary]:
                raise Refusal(400, 21405, f"{fallback} cannot be set without {primary}")
        found.update(made)
        return found

    def callers(self, asked: Asked) -> dict[str, Any]:
        sid = self._account.sid
        found = [
            {
                "account_sid": sid,
                "date_created": LONG_AGO,
                "date_updated": LONG_AGO,
                "friendly_name": number,
                "phone_number": number,
                "sid": f"PN{index:032x}",
                "uri": f"/2010-04-01/Accounts/{sid}/OutgoingCallerIds/PN{index:032x}.json",
            }
            for index, number in enumerate(self._account.verified)
        ]
        return paged(asked, "outgoing_caller_ids", found)

    def country(self, asked: Asked) -> dict[str, Any]:
        code = asked.named["IsoCode"]
        if code not in self._account.countries:
            raise Refusal(*UNKNOWN)
        return self._country(code)

    def every_country(self, asked: Asked) -> dict[str, Any]:
        size, page = int(asked.query.get("PageSize", 50)), int(asked.query.get("Page", 0))
        codes = list(self._account.countries)[size * page :]
        here = f"{asked.request.base_url}?PageSize={size}&Page="
        return {
            "content": [self._country(code) for code in codes[:size]],
            "meta": {
                "first_page_url": f"{here}0",
                "key": "content",
                "next_page_url": f"{here}{page + 1}" if len(codes) > size else None,
                "page": page,
                "page_size": size,
                "previous_page_url": f"{here}{page - 1}" if page else None,
                "url": f"{here}{page}",
            },
        }

    def _country(self, code: str) -> dict[str, Any]:
        here = f"https://voice.twilio.com/v1/DialingPermissions/Countries/{code}"
        return {
            "iso_code": code,
            "name": code,
            "continent": "EUROPE",
            "country_codes": ["+39"],
            "low_risk_numbers_enabled": self._account.countries[code],
            "high_risk_special_numbers_enabled": code in self._account.risky,
            "high_risk_tollfraud_numbers_enabled": code in self._account.risky,
            "url": here,
            "links": {"highrisk_special_prefixes": f"{here}/HighRiskSpecialPrefixes"},
        }


def paged(asked: Asked, name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of a list of the older interface, with the address of the next."""
    size, page = int(asked.query.get("PageSize", 50)), int(asked.query.get("Page", 0))
    start = size * page
    here: Callable[[int], str] = lambda index: f"{asked.request.path}?PageSize={size}&Page={index}"  # noqa: E731
    more = start + size < len(found)
    return {
        name: found[start : start + size],
        "first_page_uri": here(0),
        "previous_page_uri": here(page - 1) if page else None,
        "next_page_uri": f"{here(page + 1)}&PageToken=PAPN{page + 1:032x}" if more else None,
        "uri": here(page),
        "page": page,
        "page_size": size,
        "start": start,
        "end": min(start + size, len(found)) - 1 if found else 0,
    }


def _bought(account: str, sid: str, number: str) -> dict[str, Any]:
    """A number's answer before anybody has changed it."""
    return {
        "account_sid": account,
        "address_requirements": "none",
        "address_sid": None,
        "api_version": "2010-04-01",
        "beta": False,
        "bundle_sid": None,
        "date_created": LONG_AGO,
        "date_updated": LONG_AGO,
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "emergency_status": "Active",
        "friendly_name": number,
        "identity_sid": None,
        "origin": "twilio",
        "phone_number": number,
        "sid": sid,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_fallback_url": "",
        "sms_method": "POST",
        "sms_url": "https://demo.twilio.com/welcome/sms/reply/",
        "status": "in-use",
        "status_callback": "",
        "status_callback_method": "POST",
        "subresource_uris": {},
        "trunk_sid": None,
        "uri": f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json",
        "voice_application_sid": "",
        "voice_caller_id_lookup": False,
        "voice_fallback_method": "POST",
        "voice_fallback_url": None,
        "voice_method": "POST",
        "voice_receive_mode": "voice",
        "voice_url": "https://demo.twilio.com/welcome/voice/",
    }
