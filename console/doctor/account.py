"""The account at Twilio: whether it lets us in, serves everybody, has money, and how many calls at once."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.provisioning.failures import told
from oncall.notices.channels import ChannelFailed


def check(look: Look) -> Iterator[Finding]:
    twilio = look.configuration.twilio
    if not (twilio.account_sid and twilio.auth_tokens):
        yield yellow(
            "not-asked",
            "Twilio was not asked: twilio.account_sid or twilio.auth_tokens is missing.",
            "Copy both from Twilio's console into `[twilio]`, then run this again.",
            blocks=True,
        )
        return
    try:
        facts = look.facts
    except ChannelFailed as failed:
        yield red(
            "not-reached",
            f"Twilio's account could not be asked: {told(failed)}.",
            "Until it can, nobody is phoned again after a lost call, and no text message leaves.",
            blocks=True,
        )
        return
    if facts.status != "active":
        yield red(
            "inactive",
            f"The account is {facts.status}: Twilio places and takes no calls.",
            "Look at Twilio's console: the bill, or a message from Twilio.",
        )
    if facts.kind.lower() == "trial":
        yield red(
            "trial",
            "The account is on trial: calls and texts reach verified numbers only (21608), callers hear "
            "Twilio first, and a call ends after ten minutes.",
            "Upgrade it in Twilio's console (Billing).",
        )
    if facts.status == "active" and facts.kind.lower() != "trial":
        yield green("account", f"The account is active ({facts.kind}).")
    yield from _balance(look)
    yield from _calls_at_once(look)


def _balance(look: Look) -> Iterator[Finding]:
    limits = look.configuration.doctor
    remedy = "Pay in, and switch on automatic recharge (Twilio's console, Billing)."
    try:
        balance = look.account.balance()
    except ChannelFailed as failed:
        yield yellow("balance-unknown", f"The balance could not be asked: {told(failed)}.", remedy)
        return
    if balance is None:
        yield green(
            "balance-parent", "This is a subaccount: what it spends is its parent's, and not to be seen here."
        )
        return
    left = f"{balance.amount:.2f} {balance.currency} are left on the account"
    if balance.amount < limits.balance_red:
        yield red("balance", f"{left}: Twilio stops serving an account that has nothing left.", remedy)
    elif balance.amount < limits.balance_yellow:
        yield yellow("balance", f"{left}.", remedy)
    else:
        yield green("balance", f"{left}.")


def _calls_at_once(look: Look) -> Iterator[Finding]:
    """Twilio tells nobody the limit itself; what lifts it is a business profile that it has approved."""
    where = (
        "Ask for one in Twilio's console (Trust Hub, Customer profiles); the limit in force is shown "
        "under Voice, Settings, or told by Twilio's support."
    )
    try:
        approved = look.account.business_profile_approved()
    except ChannelFailed as failed:
        yield yellow(
            "calls-at-once-unknown",
            f"Whether the account may have many calls at once could not be asked: {told(failed)}.",
            where,
        )
        return
    if approved:
        yield green("calls-at-once", "The account has an approved business profile.")
    else:
        yield yellow(
            "calls-at-once",
            "The account has no approved business profile: accounts upgraded since February 2026 may "
            "then be limited to two or three calls at once, and a call that is put through takes two.",
            where,
        )
