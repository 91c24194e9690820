"""Who a text message comes from, and whether it can be answered. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from oncall import phones

Kind = Literal["mobile", "landline", "name", "unknown"]
# `notices.text_sender` for the number that was called.
CALLED = "called"
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


@dataclass(frozen=True)
class Able:
    """Whether a text message can come from a sender, and whether it can be answered."""

    sends: bool
    answered: bool


# A landline is what its country's plan says. In Italy Twilio's landline numbers are for voice alone;
# elsewhere some can text, so what the number can do at Twilio is the last word. A name is no address.
ABLE: dict[Kind, Able] = {
    "mobile": Able(sends=True, answered=True),
    "landline": Able(sends=False, answered=False),
    "name": Able(sends=True, answered=False),
    "unknown": Able(sends=True, answered=True),
}


def sender_kind(sender: str) -> Kind:
    """What a sender is: a number in E.164 form, or a name of up to eleven letters and digits; not CALLED."""
    if _NAME.fullmatch(sender):
        return "name"
    return phones.kind_of(sender)


def invites_answers(text_sender: str) -> bool:
    """Whether texts may ask for an answer, by the setting. A landline's may: if it can text at all, it can be
    texted; if it cannot, nobody reads what its texts ask for.
    """
    return text_sender == CALLED or sender_kind(text_sender) != "name"


def senders_that_cannot(text_sender: str, ours: Sequence[str]) -> list[str]:
    """The senders that notices would come from, and that cannot send: every text message from them is
    refused, and whoever is to be told of a case is reached by the next channel only.
    """
    senders = ours if text_sender == CALLED else [text_sender]
    return [sender for sender in senders if not ABLE[sender_kind(sender)].sends]
