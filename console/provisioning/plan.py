"""What must change at Twilio so that our numbers lead to us. Pure: nothing is asked or changed here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from console.settings import Configuration
from webhooks.rest.account import HostedNumber

POST = "POST"
# What makes Twilio ignore addresses, and what it is called.
VOICE_DIVERSIONS = {"voice_application_sid": "a voice application", "trunk_sid": "a SIP trunk"}
TEXT_DIVERSIONS = {"sms_application_sid": "a messaging application"}
DIVERSIONS = {**VOICE_DIVERSIONS, **TEXT_DIVERSIONS}

BY_POST = "nothing that was keyed may stand in an address"
OWN_FALLBACK = "asked when /voice fails; on our own host, and falls with it"


@dataclass(frozen=True)
class Change:
    """One address or method of one number, by its name in webhooks.rest.account.ADDRESSES. An empty text:
    none stands there, or is to.
    """

    number: str
    sid: str
    attribute: str
    before: str
    after: str
    why: str


@dataclass(frozen=True)
class Plan:
    """`refused` says, a line each, why nothing may be changed; `others` are numbers of the account that are
    not ours, and are left alone.
    """

    changes: list[Change]
    refused: list[str]
    others: list[HostedNumber]

    def of(self, sid: str) -> list[Change]:
        return [each for each in self.changes if each.sid == sid]


def make_plan(
    configuration: Configuration,
    hosted: Sequence[HostedNumber],
    fallback_address: str | None,
    *,
    take_over: bool = False,
    only: Collection[str] = (),
) -> Plan:
    """What would be done. `fallback_address`: where Twilio serves the stand-in document, if it is published.
    `take_over` lets applications and trunks be taken off; `only` names some of our numbers, none: all.
    """
    ours = [each for each in configuration.our_numbers if not only or each in only]
    found = {each.number: each for each in hosted}
    refused = [
        f"{number} is not in this Twilio account: buy it or move it there, or take it out of the "
        "configuration; --number sets up some of the others"
        for number in ours
        if number not in found
    ]
    here = [found[number] for number in ours if number in found]
    refused += [
        f"{each.number} cannot take calls: Twilio gives it no voice capability"
        for each in here
        if not each.voice
    ]
    if not take_over:
        refused += [line for each in here for line in _diverted(each)]
    changes = [
        change
        for change in deviations(configuration, hosted, fallback_address)
        if change.number in ours and found[change.number].voice
    ]
    others = [each for each in hosted if each.number not in configuration.our_numbers]
    return Plan(changes, refused, others)


def missing(configuration: Configuration, hosted: Sequence[HostedNumber]) -> list[str]:
    """Our numbers that the account does not have."""
    found = {each.number for each in hosted}
    return [number for number in configuration.our_numbers if number not in found]


def deviations(
    configuration: Configuration, hosted: Sequence[HostedNumber], fallback_address: str | None
) -> list[Change]:
    """Everything at Twilio that is not as it should be, of those of our numbers that the account has;
    diversions included. Empty when each leads to us.
    """
    found = {each.number: each for each in hosted}
    return [
        Change(number, found[number].sid, attribute, found[number].addresses[attribute], after, why)
        for number in configuration.our_numbers
        if number in found
        for attribute, after, why in _wanted(configuration, found[number], fallback_address)
        if found[number].addresses[attribute] != after
    ]


def fallback_of(configuration: Configuration, fallback_address: str | None) -> tuple[str, str]:
    """Whom Twilio is to ask when /voice fails, and why him: the published document, else the other machine
    of the configuration, else our own host.
    """
    if fallback_address:
        return fallback_address, "asked when /voice fails; Twilio itself serves it"
    if configuration.twilio.fallback_url:
        return configuration.twilio.fallback_url, "asked when /voice fails; another machine of ours"
    return f"{configuration.service.public_url}/voice/fallback", OWN_FALLBACK


def _wanted(
    configuration: Configuration, number: HostedNumber, fallback_address: str | None
) -> Iterator[tuple[str, str, str]]:
    """Attribute, value, and why."""
    public, overrides = configuration.service.public_url, configuration.twilio.connection
    for attribute, what in VOICE_DIVERSIONS.items():
        yield attribute, "", f"{what} makes Twilio ignore the voice addresses"
    yield "voice_url", f"{public}/voice" + (f"#{overrides}" if overrides else ""), "calls come to us"
    yield "voice_method", POST, BY_POST
    fallback, why = fallback_of(configuration, fallback_address)
    yield "voice_fallback_url", fallback, why
    yield "voice_fallback_method", POST, BY_POST
    yield "status_callback", f"{public}/voice/status", "we are told when a call has ended"
    yield "status_callback_method", POST, BY_POST
    if not number.text:
        return
    for attribute, what in TEXT_DIVERSIONS.items():
        yield attribute, "", f"{what} makes Twilio ignore the address for texts"
    yield "sms_url", f"{public}/sms", "technicians' text messages come to us"
    yield "sms_method", POST, BY_POST
    yield "sms_fallback_url", "", "text messages go to nobody else"


def _diverted(number: HostedNumber) -> Iterator[str]:
    for attribute, what in DIVERSIONS.items():
        sid = number.addresses[attribute]
        if sid and (number.text or attribute in VOICE_DIVERSIONS):
            yield (
                f"{number.number} belongs to {what} ({sid}), and Twilio ignores addresses meanwhile: "
                "--take-over takes it off"
            )


def shown(value: str) -> str:
    """An address as it may be shown and logged: without what in it may be somebody's password or key."""
    parts = urlsplit(value)
    if not parts.netloc:
        return value
    host = parts.netloc.rpartition("@")[2]
    netloc = f"…@{host}" if "@" in parts.netloc else host
    return urlunsplit(parts._replace(netloc=netloc, query="…" if parts.query else ""))
