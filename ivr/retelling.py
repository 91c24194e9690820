"""What was heard, in the words of the journal. No word here can hold a key that may belong to a PIN."""

from __future__ import annotations

from ivr.vocabulary import (
    ArrivedByDay,
    ArrivedByNight,
    AttemptEnded,
    Heard,
    Left,
    MessageLeft,
    NoPin,
    NotUrgent,
    OfficeAnswered,
    OfficeMissed,
    PinAccepted,
    PinMalformed,
    PinWrong,
    Silence,
    StrayHash,
    UrgencyChosen,
    WantsMessage,
    WantsPin,
    WrongKey,
)


def retell(heard: Heard) -> str:
    """One short phrase for the journal and for `ivr call show`."""
    match heard:
        case ArrivedByNight():
            said = "a call in a PIN window"
        case ArrivedByDay():
            said = "a call while the office is open"
        case OfficeAnswered():
            said = "the office answered"
        case OfficeMissed():
            said = "the office did not answer"
        case WantsPin():
            said = "an emergency with PIN"
        case WantsMessage():
            said = "wants to leave a message"
        case PinAccepted(customer=customer):
            said = f"the PIN of {customer.code}"
        case PinWrong(why=why):
            said = f"a wrong PIN ({why})"
        case PinMalformed():
            said = "an incomplete PIN"
        case NoPin():
            said = "has no PIN"
        case UrgencyChosen(code=code):
            said = code
        case NotUrgent():
            said = "no urgency for after hours"
        case AttemptEnded(result=result):
            said = result
        case MessageLeft(seconds=seconds):
            said = f"a message of {seconds} s"
        case Silence():
            said = "nothing"
        case StrayHash():
            said = "a late #"
        case WrongKey():
            said = "a key that means nothing here"
        case Left():
            return "hung up"
        case _:
            said = type(heard).__name__
    return f"{said}, hung up" if heard.gone else said
