"""Puts a house before Twilio: its desks, and the webhook application that asks them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from flask import Flask

from console.house import Clock, House, not_ready, pin_index, rules, system_clock
from console.public import public_pages
from console.settings import Configuration
from ivr.desk import Desk
from ivr.gathering import Gathering
from ivr.luggage import Seal
from ivr.outgoing_desk import OutgoingDesk
from ivr.prompts import Speaker
from ivr.technician_desk import TechnicianDesk
from ivr.text_messages import TextDesk
from ivr.wording import Wording
from webhooks.addresses import PublicAddresses
from webhooks.app import create_app
from webhooks.door import Believed
from webhooks.signature import SignatureCheck
from webhooks.sms import text_messages


@dataclass(frozen=True)
class Desks:
    """Who serves calls: the caller's desk, the technicians', the one for calls that we place; and the
    seal of what travels in addresses.
    """

    caller: Desk
    technicians: TechnicianDesk
    outgoing: OutgoingDesk
    seal: Seal


def sealing(configuration: Configuration) -> Seal:
    """What seals luggage, of callers and of calls that we place."""
    return Seal([key.get_secret_value() for key in configuration.service.keys])


def desks(house: House, source: random.Random | None = None) -> Desks:
    """The desks of a house. Raises ValueError if a setting they cannot do without is missing."""
    configuration = house.configuration
    if missing := configuration.missing_for_calls():
        raise ValueError(f"missing: {', '.join(missing)}")
    by, seal = rules(configuration), sealing(configuration)
    speaker = Speaker(configuration.service.name, configuration.zone, configuration.urgency)
    words = Wording(by, speaker, seal, PublicAddresses(configuration.service.public_url))
    gathering = Gathering(by, source or random.SystemRandom())
    return Desks(
        Desk(house.database, pin_index(configuration), by, gathering, words),
        TechnicianDesk(house.database, by, words),
        OutgoingDesk(house.database, by, words),
        seal,
    )


def webhook_app(house: House, clock: Clock = system_clock, source: random.Random | None = None) -> Flask:
    """The webhook application. Raises ValueError if a setting it cannot do without is missing."""
    configuration = house.configuration
    serving = desks(house, source)
    # The calendar of the next days is worked out now, not while the first caller waits.
    for number in configuration.number:
        configuration.hours.build(configuration.zone, number.holidays).at(clock())
    tokens = [token.get_secret_value() for token in configuration.twilio.auth_tokens]
    believed = Believed(
        SignatureCheck(tokens, configuration.service.public_url),
        configuration.twilio.account_sid,
        frozenset(configuration.our_numbers),
        serving.caller,
        serving.technicians,
        serving.outgoing,
        serving.seal,
        clock,
    )
    texts = TextDesk(house.database, rules(configuration))
    senders = {*configuration.our_numbers, configuration.notices.text_sender} - {"called"}
    return create_app(
        believed,
        ready=lambda: not_ready(house),
        recordings=configuration.folder / configuration.service.state / "messages",
        beside=[*public_pages(house, clock), text_messages(believed, texts, senders)],
    )
