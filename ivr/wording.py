"""What the flow decided becomes an answer: every text, voice and address resolved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ivr import answer as answers
from ivr.answer import Answer, Dial, Gather, Part, Record, Say, Sound, Target
from ivr.outgoing_flow import AskHim, CarriedOutgoing, DialCustomer, OutgoingTurn
from ivr.prompts import Speaker, Speech
from ivr.rules import Rules
from ivr.standby import luggage
from ivr.standby.luggage import Seal
from ivr.technician_flow import AskTechnician, Bridge, LegTurn
from ivr.vocabulary import (
    AskDigits,
    AskKey,
    AskPin,
    Call,
    Carried,
    HangUp,
    Line,
    Recorded,
    RingOffice,
    RingTechnician,
    TakeMessage,
    TakeName,
    Turn,
)
from oncall.phones import NumberRefused

log = logging.getLogger("ivr")

# Seconds a customer's phone rings when a technician calls him through us.
CUSTOMER_RINGS = 40
# What a caller says of himself: his name and his company, and not the whole story. It is played to a
# technician, whose voicemail may be what listens.
NAME_LIMIT = 8
NAME_SILENCE = 3


class Addresses(Protocol):
    """Where the network asks for the next turn. The door knows; here they are only named."""

    def turn(self, number: int, sealed: str) -> str: ...
    def technician(self, number: int, sealed: str) -> str: ...
    def recording(self, sealed: str) -> str: ...
    def sound(self, sealed: str) -> str: ...
    def outgoing(self, number: int, sealed: str) -> str: ...


class Recordings(Protocol):
    """Sentences that the house has recorded: `ivr.own_voice.shelf.OwnVoice`."""

    def address_of(self, number: str, language: str, line: str, text: str, at: datetime) -> str:
        """Where the sentence can be heard; "" if it is to be spoken."""
        ...


class Wording:
    """Words answers in the call's language, with sealed luggage in every address."""

    def __init__(
        self,
        rules: Rules,
        speaker: Speaker,
        seal: Seal,
        addresses: Addresses,
        recordings: Recordings | None = None,
    ) -> None:
        self._rules = rules
        self._speaker = speaker
        self._seal = seal
        self._addresses = addresses
        self._recordings = recordings

    def for_caller(self, turn: Turn, next_turn: int, at: datetime, *, longest_pin: int) -> Answer:
        """The answer to a caller; `longest_pin` is how many digits end a PIN without `#`."""
        call = turn.call
        action = self._addresses.turn(next_turn, self._seal.close(luggage.of_call(call, next_turn), at))
        parts: list[Part] = [Say(speech) for speech in self._tell(turn.says, call, at)]
        match turn.then:
            case AskPin(lines, timeout):
                prompts = self._tell(lines, call, at)
                parts.append(Gather(action, prompts, timeout, longest_pin, finish="#"))
            case AskDigits(lines, most, timeout):
                prompts = self._tell(lines, call, at)
                parts.append(Gather(action, prompts, timeout, most, finish="#"))
            case AskKey(lines, timeout):
                prompts = self._tell(lines, call, at)
                # No finish key: a lone # must arrive as a key, or it could not be told from silence.
                parts.append(Gather(action, prompts, timeout, digits=1, finish=""))
            case RingOffice(phones):
                targets = tuple(Target(phone) for phone in phones)
                rings = self._rules.ringing.office_rings
                parts.append(self._dial(Dial(action, self._caller_id(call), targets, rings)))
            case RingTechnician(place):
                contents = luggage.of_leg(call, next_turn, leg_turn=0, silences=0, attempt_id=call.attempt_id)
                sealed = self._seal.close(contents, at)
                target = Target(place.phone, whisper=self._addresses.technician(0, sealed))
                parts.append(self._dial(Dial(action, self._caller_id(call), (target,), place.rings)))
            case TakeMessage():
                sealed = self._seal.close(luggage.of_recording(call.sid), at)
                limit = self._rules.ringing.message_limit
                parts.append(Record(action, self._addresses.recording(sealed), limit))
            case TakeName():
                sealed = self._seal.close(luggage.of_recording(call.sid), at)
                parts.append(
                    Record(action, self._addresses.recording(sealed), NAME_LIMIT, silence=NAME_SILENCE)
                )
            case HangUp():
                parts.append(answers.HangUp())
        return Answer(tuple(parts))

    def for_technician(self, turn: LegTurn, next_turn: int, at: datetime, carried: Carried) -> Answer:
        """The answer to a technician's leg; one without a HangUp connects him. `carried` is the caller's call
        as his addresses bring it along.
        """
        leg = turn.leg
        parts: list[Part] = [Say(speech) for speech in self._say(turn.says, leg.language, at)]
        match turn.then:
            case AskTechnician(lines, timeout):
                contents = luggage.of_leg(
                    carried.call,
                    carried.turn,
                    leg_turn=next_turn,
                    silences=leg.silences,
                    repeats=leg.repeats,
                    attempt_id=leg.attempt_id,
                )
                sealed = self._seal.close(contents, at)
                action = self._addresses.technician(next_turn, sealed)
                heard = tuple(each for line in lines for each in self._sound(line, leg.language, at))
                parts.append(Gather(action, heard, timeout, digits=1, finish=""))
            case HangUp():
                parts.append(answers.HangUp())
            case Bridge():
                pass
        return Answer(tuple(parts))

    def for_outgoing(
        self,
        turn: OutgoingTurn,
        outgoing_id: int,
        home: str,
        next_turn: int,
        at: datetime,
        placed: CarriedOutgoing,
        customer: str,
    ) -> Answer:
        """The answer to a technician whom we called; `customer` is whom a DialCustomer rings. `placed` is the
        call as it stands now, known by `outgoing_id` to the database `home`.
        """
        language = turn.call.language
        parts: list[Part] = [Say(speech) for speech in self._say(turn.says, language, at)]
        contents = luggage.of_outgoing(outgoing_id, home, placed, next_turn)
        action = self._addresses.outgoing(next_turn, self._seal.close(contents, at))
        match turn.then:
            case AskHim(lines, timeout):
                parts.append(Gather(action, self._say(lines, language, at), timeout, digits=1, finish=""))
            case DialCustomer():
                parts.append(self._dial(Dial(action, placed.number, (Target(customer),), CUSTOMER_RINGS)))
            case HangUp():
                parts.append(answers.HangUp())
        return Answer(tuple(parts))

    def _dial(self, dial: Dial) -> Dial | Gather:
        """The last look at what is dialled: what may not be is left out. With nothing left the call goes on
        as if nobody had answered.
        """
        targets = tuple(each for each in dial.targets if self._may_be_dialled(each.address))
        if targets:
            return replace(dial, targets=targets)
        return Gather(dial.action, (), timeout=1, digits=1, finish="")

    def _may_be_dialled(self, address: str) -> bool:
        try:
            self._rules.ringing.check_number(address)
        except NumberRefused as refused:
            log.error("not dialled: %s", refused)
            return False
        return True

    def _caller_id(self, call: Call) -> str:
        """Always a number of ours: operators drop calls from abroad that show somebody else's."""
        chosen = self._rules.ringing.caller_id
        return call.number if chosen == "called" else chosen

    def _sound(self, line: Line | Recorded, language: str, at: datetime) -> tuple[Speech | Sound, ...]:
        if isinstance(line, Recorded):
            return (Sound(self._addresses.sound(self._seal.close(luggage.of_sound(line.sid), at))),)
        return self._say((line,), language, at)

    def _tell(self, lines: Sequence[Line], call: Call, at: datetime) -> tuple[Speech, ...]:
        """What a caller is told: as the house has recorded it for this number, or else spoken."""
        told: list[Speech] = []
        for each in lines:
            language = each.language or call.language
            said = self._speaker.say(each, language, at)
            if self._recordings is not None and len(said) == 1:
                where = self._recordings.address_of(call.number, language, each.name, said[0].text, at)
                said = (replace(said[0], recording=where),)
            told += said
        return tuple(told)

    def _say(self, lines: Sequence[Line], language: str, at: datetime) -> tuple[Speech, ...]:
        said = (self._speaker.say(line, line.language or language, at) for line in lines)
        return tuple(speech for speeches in said for speech in speeches)
