"""What was heard, in the words of the journal. No word here can hold a key that may belong to a PIN."""

from __future__ import annotations

from ivr.vocabulary import (
    ArrivedBlocked,
    ArrivedByDay,
    ArrivedByNight,
    ArrivedInFlood,
    AttemptEnded,
    CannotVerify,
    CodeChecked,
    DigitsWrong,
    Heard,
    KeepsWaiting,
    KnownCase,
    Left,
    MessageLeft,
    NoMoreWakeUps,
    NoPin,
    NotUrgent,
    NumberGiven,
    OfficeAnswered,
    OfficeMissed,
    PinAccepted,
    PinMalformed,
    PinUnchecked,
    PinWrong,
    ReadyToScreen,
    SameProblem,
    Silence,
    StillWaiting,
    StrayHash,
    UrgencyAgain,
    UrgencyChosen,
    WantsCallBack,
    WantsDefinitions,
    WantsLanguage,
    WantsMessage,
    WantsMoreTime,
    WantsPin,
    WantsReconnect,
    WantsToVerify,
    WrongKey,
)


def retell(heard: Heard) -> str:
    """One short phrase for the journal and for `ivr call show`."""
    match heard:
        case ArrivedByNight():
            said = "a call in a PIN window"
        case ArrivedByDay():
            said = "a call while the office is open"
        case ArrivedBlocked():
            said = "a call from a blocked number"
        case ArrivedInFlood():
            said = "a call from an unknown number in a flood"
        case DigitsWrong():
            said = "not the digits he was told"
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
        case PinUnchecked():
            said = "a PIN that could not be checked in time"
        case CannotVerify():
            said = "calls, and no PIN can be checked"
        case StillWaiting():
            said = "waits"
        case NoMoreWakeUps():
            said = "waits, but too many technicians were woken"
        case ReadyToScreen():
            said = "waits, and a technician may hear him"
        case PinWrong(why=why):
            said = f"a wrong PIN ({why})"
        case PinMalformed():
            said = "an incomplete PIN"
        case NoPin():
            said = "has no PIN"
        case WantsMoreTime():
            said = "needs more time"
        case WantsLanguage():
            said = "another language"
        case UrgencyChosen(code=code):
            said = code
        case UrgencyAgain(code=code, known=known):
            said = f"{code}, with case {known.number} open"
        case SameProblem():
            said = "about the open case"
        case WantsDefinitions():
            said = "the definitions"
        case WantsToVerify():
            said = "wants to verify a technician"
        case CodeChecked(known=None):
            said = "a case code that is none of his"
        case CodeChecked(known=KnownCase(number=number)):
            said = f"the code of case {number}"
        case NotUrgent():
            said = "no urgency for after hours"
        case AttemptEnded(result=result):
            said = result
        case KeepsWaiting():
            said = "stays on the line"
        case WantsCallBack():
            said = "wants to be called back"
        case NumberGiven(number=None):
            said = "a number that cannot be called"
        case NumberGiven():
            said = "a number to be called back at"
        case WantsReconnect():
            said = "wants the technician again"
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
