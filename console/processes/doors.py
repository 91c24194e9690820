"""Puts a house before Twilio: its desks, and the webhook application that asks them."""

from __future__ import annotations

import random
from dataclasses import replace

from flask import Flask

from console.house import Clock, House, pin_index, rules, system_clock
from console.privacy.keys import kept_sounds
from console.processes.standing_by import newer_snapshot, readiness, spares
from console.public import public_pages
from console.settings import Configuration
from console.voice.playing import own_voice, shelf_of, sound
from console.watching import tracing
from console.watching.pseudonyms import pseudonyms
from ivr.desk import Desk
from ivr.gathering import Gathering
from ivr.outgoing_desk import OutgoingDesk
from ivr.prompts import Speaker
from ivr.reception import Desks, Reception, Standby
from ivr.standby import standby
from ivr.standby.luggage import Seal
from ivr.standby.standby_gathering import StandbyGathering
from ivr.technician_desk import TechnicianDesk
from ivr.text_messages import TextDesk
from ivr.wording import Wording
from storage.spare import Spare
from webhooks.addresses import PublicAddresses
from webhooks.app import create_app
from webhooks.door import Believed
from webhooks.signature import SignatureCheck
from webhooks.sms import text_messages


def sealing(configuration: Configuration) -> Seal:
    """What seals luggage, of callers and of calls that we place."""
    return Seal([key.get_secret_value() for key in configuration.service.keys])


def desks(house: House, source: random.Random | None = None) -> Desks:
    """The desks of a house. Raises ValueError if a setting they cannot do without is missing."""
    configuration = house.configuration
    if missing := configuration.missing_for_calls():
        raise ValueError(f"missing: {', '.join(missing)}")
    database, by = house.database, rules(configuration)
    source = source or random.SystemRandom()
    if isinstance(database, Spare):
        with database.read() as connection:
            nodes = standby.standing(connection).nodes
        gathering: Gathering = StandbyGathering(by, source, nodes)
    else:
        gathering = Gathering(by, source)
    speaker = Speaker(configuration.service.name, configuration.zone, configuration.urgency)
    addresses = PublicAddresses(configuration.service.public_url)
    seal = sealing(configuration)
    words = Wording(by, speaker, seal, addresses, own_voice(configuration, seal))
    whole = not isinstance(database, Spare)
    return Desks(
        Desk(database, pin_index(configuration), by, gathering, words, whole=whole),
        TechnicianDesk(database, by, words, whole=whole),
        OutgoingDesk(database, by, words),
        TextDesk(database, by),
    )


def reception(house: House, source: random.Random | None = None) -> Reception:
    """Who takes requests, with what serves them when the database does not."""

    def desks_of(spare: Spare) -> Desks:
        return desks(replace(house, database=spare), source)

    own = Standby(
        spares(house.configuration), desks_of, lambda known: newer_snapshot(house.configuration, known)
    )
    return Reception(desks(house, source), house.database, own)


def _signature_check(configuration: Configuration) -> SignatureCheck:
    twilio = configuration.twilio
    return SignatureCheck(
        [token.get_secret_value() for token in twilio.auth_tokens],
        configuration.service.public_url,
        twilio.signatures,
        [key.get_secret_value() for key in twilio.shared_keys],
    )


def webhook_app(house: House, clock: Clock = system_clock, source: random.Random | None = None) -> Flask:
    """The webhook application. Raises ValueError if a setting it cannot do without is missing."""
    configuration = house.configuration
    house = tracing.timed(house)
    # The calendar of the next days is worked out now, not while the first caller waits.
    for number in configuration.number:
        configuration.hours.build(configuration.zone, number.holidays).at(clock())
    believed = Believed(
        _signature_check(configuration),
        configuration.twilio.account_sid,
        frozenset(configuration.our_numbers),
        reception(house, source),
        sealing(configuration),
        clock,
    )
    shelf = shelf_of(configuration)
    senders = {*configuration.our_numbers, configuration.notices.text_sender} - {"called"}
    return create_app(
        believed,
        ready=lambda: readiness(house, clock()),
        recordings=kept_sounds(configuration),
        beside=[*public_pages(house, clock), text_messages(believed, senders)],
        recorded=lambda digest: sound(shelf, house.database, digest),
        pseudonym=pseudonyms(configuration),
        traced=tracing.of_turns(),
    )
