"""What else at Twilio should be looked at when numbers are set up; none of it is changed by us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.provisioning.failures import told
from console.provisioning.plan import OWN_FALLBACK, fallback_of
from console.settings import Configuration
from oncall.notices.channels import ChannelFailed
from webhooks.rest.account import AccountFacts, DialledCountry, RestAccount

GEO = "Twilio's console: Voice, Settings, Geo permissions"
# As many countries are named.
NAMED = 6


def about_account(facts: AccountFacts) -> list[str]:
    """A line if the account is on trial."""
    if facts.kind.lower() != "trial":
        return []
    return [
        "the account is on trial: it reaches verified numbers only, callers hear Twilio first, and calls end "
        "after ten minutes"
    ]


def about_fallback(configuration: Configuration, fallback_address: str | None) -> list[str]:
    if fallback_of(configuration, fallback_address)[1] != OWN_FALLBACK:
        return []
    return [
        "the fallback address is on our own host and falls with it: publish the stand-in document "
        "(`ivr twilio fallback`), or name another machine in twilio.fallback_url"
    ]


def about_countries(configuration: Configuration, account: RestAccount) -> list[str]:
    """Which countries Twilio may dial and should not, or the reverse; or that it could not be asked."""
    try:
        dialled = account.dialled_countries()
    except ChannelFailed as failed:
        return [f"which countries may be dialled could not be asked: {told(failed)}"]
    return list(_countries(configuration.ringing.countries, dialled))


def _countries(rung: Sequence[str], dialled: Sequence[DialledCountry]) -> Iterator[str]:
    known = {each.code: each for each in dialled}
    for code in rung:
        if code not in known:
            yield f"ringing.countries has {code}, which Twilio does not know"
        elif not known[code].ordinary:
            yield f"Twilio may not dial {code}, which ringing.countries has: allow it ({GEO})"
    risky = [each.code for each in dialled if each.special or each.fraud]
    if risky:
        yield f"Twilio may dial high-risk numbers of {_some(risky)}: switch them off ({GEO})"
    needless = [each.code for each in dialled if each.ordinary and each.code not in rung]
    if needless:
        yield (
            f"Twilio may dial {_some(needless)}, which ringing.countries has not: switch off what nothing "
            f"else in this account needs ({GEO})"
        )


def _some(codes: Sequence[str]) -> str:
    more = len(codes) - NAMED
    return ", ".join(codes[:NAMED]) + (f" and {more} more" if more > 0 else "")
