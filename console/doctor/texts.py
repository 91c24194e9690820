"""Whether text messages can leave, and be answered."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor.finding import Finding, green, yellow
from console.doctor.look import Look
from console.provisioning.failures import told
from oncall.notices.channels import ChannelFailed
from oncall.notices.senders import ABLE, sender_kind


def check(look: Look) -> Iterator[Finding]:
    setting = look.configuration.notices.text_sender
    try:
        able = {each.number: each.text for each in look.hosted}
    except ChannelFailed as failed:
        yield yellow(
            "not-asked", f"What our numbers can do could not be asked: {told(failed)}.", "Run this again."
        )
        return
    senders = look.configuration.our_numbers if setting == "called" else [setting]
    if not senders[0].startswith("+"):
        # No address: nothing at Twilio can be asked of it.
        yield yellow(
            "name",
            f"Text messages come from the name “{setting}”, which nobody can answer: technicians take a "
            "case by call or link alone.",
            "Set `[notices] text_sender` to a mobile number at Twilio, if they are to answer by text.",
        )
        return
    mute = [each for each in senders if not can_send(each, able)]
    if mute:
        # Not red: what is not taken as a text goes by the next channel.
        yield yellow(
            "mute",
            f"No text message can come from {', '.join(mute)}: technicians are told by the next channel "
            "only.",
            "Set `[notices] text_sender` to a mobile number at Twilio, or to a name of up to eleven letters.",
        )
    else:
        yield green("texts", "Text messages can be sent, and answered.")


def can_send(sender: str, able: dict[str, bool]) -> bool:
    """Whether a number can send texts: as Twilio says of those in the account (`able`), else as its country's
    plan does, by which a landline cannot.
    """
    return able.get(sender, ABLE[sender_kind(sender)].sends)
