"""Whether Twilio may dial the countries that our people's phones are in, and none it need not."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.provisioning.advice import GEO
from console.provisioning.failures import told
from oncall.notices.channels import ChannelFailed


def check(look: Look) -> Iterator[Finding]:
    wanted = look.configuration.ringing.countries
    try:
        known = {each.code: each for each in look.account.dialled_countries()}
    except ChannelFailed as failed:
        where = f"Look there yourself: {GEO}."
        yield yellow(
            "not-asked", f"Which countries may be dialled could not be asked: {told(failed)}.", where
        )
        return
    found = []
    for code in wanted:
        if code not in known:
            what = f"Twilio does not know the country {code}, which `[ringing] countries` has."
            found.append(yellow(f"unknown.{code}", what, "Write its ISO code, or take it out."))
        elif not known[code].ordinary:
            what = f"Twilio may not dial {code}: calls to technicians there fail."
            found.append(red(f"closed.{code}", what, f"Allow it ({GEO})."))
    risky = [each.code for each in known.values() if each.special or each.fraud]
    if risky:
        some = ", ".join(risky[:6]) + ("…" if len(risky) > 6 else "")
        what = (
            f"Twilio may dial high-risk numbers of {some}: whoever gets hold of the account can spend its "
            "money."
        )
        found.append(yellow("risky", what, f"Switch them off ({GEO})."))
    yield from found
    if not found:
        yield green("countries", f"Twilio may dial {', '.join(wanted)}, and no high-risk numbers.")
