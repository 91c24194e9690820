"""What stands at Twilio: the account, its numbers and where they send calls, who may be shown as calling.

For `ivr twilio provision` and `ivr doctor`; no step of a call asks any of it. Everything raises
ChannelFailed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oncall.notices.channels import ChannelFailed
from webhooks.rest.line import NOT_FOUND, UNREADABLE, Rest, listed

PAGE = 100


@dataclass(frozen=True)
class AccountFacts:
    """`status`: active, suspended, closed. `kind`: Full or Trial, as Twilio writes it. `parent` is another
    account's sid if this is a subaccount.
    """

    sid: str
    name: str
    status: str
    kind: str
    parent: str | None


@dataclass(frozen=True)
class Balance:
    """What the account has left. A subaccount spends its parent's and cannot be asked."""

    amount: float
    currency: str


@dataclass(frozen=True)
class HostedNumber:
    """A number in the account, with what Twilio does when it is called or written to. An empty address: none.

    A voice application, or a trunk, makes Twilio ignore the voice addresses; a text application the texts'.
    `addresses` holds them by Twilio's own names, as they are written when they are changed.
    """

    sid: str
    number: str
    name: str
    addresses: Mapping[str, str]
    voice: bool
    text: bool

    @property
    def diverted_by(self) -> str | None:
        """The sid of what makes Twilio ignore the voice addresses."""
        return self.addresses["voice_application_sid"] or self.addresses["trunk_sid"] or None


@dataclass(frozen=True)
class DialledCountry:
    """What Twilio would dial in a country ("IT"): ordinary numbers, special services (premium, shared cost),
    ranges known for toll fraud.
    """

    code: str
    ordinary: bool
    special: bool
    fraud: bool


# What `change_number` may write, by the names that twilio's library has for them.
ADDRESSES = (
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "status_callback",
    "status_callback_method",
    "voice_application_sid",
    "trunk_sid",
    "sms_url",
    "sms_method",
    "sms_fallback_url",
    "sms_fallback_method",
    "sms_application_sid",
)


class RestAccount(Rest):
    """The account that is configured."""

    def facts(self) -> AccountFacts:
        """Which account it is, and whether it is on trial."""
        found = self._client.api.v2010.accounts(self._settings.account_sid).fetch()
        owner = found.owner_account_sid
        return AccountFacts(
            sid=str(found.sid),
            name=str(found.friendly_name or ""),
            status=str(found.status or ""),
            kind=str(found.type or ""),
            parent=str(owner) if owner and owner != found.sid else None,
        )

    def balance(self) -> Balance | None:
        """None for a subaccount, which has none of its own."""
        try:
            found = self._account.balance.fetch()
        except ChannelFailed as failed:
            if failed.why == NOT_FOUND:
                return None
            raise
        try:
            return Balance(float(found.balance), str(found.currency))
        except (TypeError, ValueError):
            raise ChannelFailed(UNREADABLE) from None

    def numbers(self) -> list[HostedNumber]:
        """Every number in the account."""
        every = listed(lambda: self._account.incoming_phone_numbers.stream(page_size=PAGE))
        return [_number(each) for each in every]

    def change_number(self, sid: str, addresses: Mapping[str, str]) -> HostedNumber:
        """Write these, by the names of ADDRESSES; what is not named stays. An empty text removes one."""
        unknown = set(addresses) - set(ADDRESSES)
        assert not unknown, unknown
        return _number(self._account.incoming_phone_numbers(sid).update(**addresses))

    def verified_callers(self) -> list[str]:
        """Numbers of others that may be shown as calling, because their owner has agreed."""
        every = listed(lambda: self._account.outgoing_caller_ids.stream(page_size=PAGE))
        return [str(each.phone_number) for each in every]

    def dialled_countries(self) -> list[DialledCountry]:
        """Every country that Twilio knows, with what it would dial there."""
        every = listed(lambda: self._client.voice.v1.dialing_permissions.countries.stream(page_size=PAGE))
        return [
            DialledCountry(
                str(each.iso_code),
                bool(each.low_risk_numbers_enabled),
                bool(each.high_risk_special_numbers_enabled),
                bool(each.high_risk_tollfraud_numbers_enabled),
            )
            for each in every
        ]

    def business_profile_approved(self) -> bool:
        """Whether Twilio has approved a business profile of this account."""
        profiles = self._client.trusthub.v1.customer_profiles
        return bool(listed(lambda: profiles.stream(status="twilio-approved", limit=1, page_size=1)))

    def may_dial(self, country: str) -> bool | None:
        """Whether ordinary numbers of this country ("IT") may be dialled; None if Twilio does not know it."""
        try:
            found = self._client.voice.v1.dialing_permissions.countries(country).fetch()
        except ChannelFailed as failed:
            if failed.why == NOT_FOUND:
                return None
            raise
        return bool(found.low_risk_numbers_enabled)


def _number(found: Any) -> HostedNumber:
    able = found.capabilities
    return HostedNumber(
        sid=str(found.sid),
        number=str(found.phone_number),
        name=str(found.friendly_name or ""),
        addresses={name: str(getattr(found, name) or "") for name in ADDRESSES},
        voice=bool(_able(able, "voice")),
        text=bool(_able(able, "sms")),
    )


def _able(able: Any, what: str) -> object:
    """The library hands out a mapping, or an object with attributes, by its version."""
    return able.get(what) if isinstance(able, Mapping) else getattr(able, what, False)
