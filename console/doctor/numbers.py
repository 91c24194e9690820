"""Our numbers at Twilio: whether each is there, leads to us, and what answers when we do not."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.doctor.stand_in import PUBLISH
from console.house import not_ready
from console.provisioning import memory
from console.provisioning.failures import told
from console.provisioning.plan import DIVERSIONS, VOICE_DIVERSIONS, Change, deviations, missing, shown
from oncall.notices.channels import ChannelFailed

PROVISION = "`ivr twilio provision` shows what would change, and changes it with --yes."
# Without these no call comes in, or none is put right when we fail; the others are worth a look.
GRAVE = frozenset({"voice_url", "voice_method", *VOICE_DIVERSIONS})


def check(look: Look) -> Iterator[Finding]:
    configuration = look.configuration
    try:
        hosted = look.hosted
    except ChannelFailed as failed:
        yield red("not-asked", f"The numbers could not be asked: {told(failed)}.", "Run this again.")
        return
    found = [*_absent(look), *_voiceless(look), *_fallbacks(look)]
    # Of a fallback that is none, or our own, enough is said.
    told_of = {each.key.removeprefix("fallback.") for each in found if each.key.startswith("fallback.")}
    if configuration.service.public_url:
        found += [
            _deviation(each)
            for each in deviations(configuration, hosted, _published(look))
            if each.attribute != "voice_fallback_url" or each.number not in told_of
        ]
    yield from found
    if not found:
        yield green("numbers", "Every number of ours leads to us, and to something else when we fail.")


def _published(look: Look) -> str | None:
    if not_ready(look.house):
        return None
    with look.house.database.read() as connection:
        return memory.fallback_address(connection)


def _absent(look: Look) -> Iterator[Finding]:
    for number in missing(look.configuration, look.hosted):
        yield red(
            f"absent.{number}",
            f"{number} is not in this Twilio account: nobody who calls it reaches us.",
            "Buy it or move it there, or take it out of the configuration.",
        )


def _voiceless(look: Look) -> Iterator[Finding]:
    for each in look.hosted:
        if each.number in look.configuration.our_numbers and not each.voice:
            yield red(
                f"voiceless.{each.number}",
                f"{each.number} cannot take calls: Twilio gives it no voice capability.",
                "Exchange it for a number that can, in Twilio's console.",
            )


def _fallbacks(look: Look) -> Iterator[Finding]:
    """What really stands there counts, whatever it should be."""
    ours = urlsplit(look.configuration.service.public_url).hostname
    for each in look.hosted:
        if each.number not in look.configuration.our_numbers:
            continue
        address = each.addresses["voice_fallback_url"]
        if not address:
            what = f"{each.number} has no fallback address: when we fail callers hear a recorded error."
        elif urlsplit(address).hostname == ours:
            what = f"The fallback address of {each.number} is on our own host: it falls with us."
        else:
            continue
        yield red(f"fallback.{each.number}", what, PUBLISH)


def _deviation(change: Change) -> Finding:
    key = f"{change.attribute}.{change.number}"
    if change.attribute in DIVERSIONS:
        what = (
            f"{change.number} belongs to {DIVERSIONS[change.attribute]} ({change.before}): Twilio ignores "
            "the addresses that stand at the number."
        )
        remedy = "Take it off with `ivr twilio provision --take-over --yes`."
    else:
        now, wanted = shown(change.before) or "empty", shown(change.after) or "empty"
        what = f"{change.attribute} of {change.number} is {now}, and should be {wanted}: {change.why}."
        remedy = PROVISION
    make = red if change.attribute in GRAVE else yellow
    return make(key, what, remedy)
