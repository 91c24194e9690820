"""What to do about an answer of Twilio's that is no success, in one line."""

from __future__ import annotations

from oncall.notices.channels import ChannelFailed

WHO_WE_ARE = "wrong account or token: compare twilio.account_sid and twilio.auth_tokens with Twilio's console"
WHAT_TO_DO = {
    "10001": "the account is not active: look at Twilio's console",
    "20003": WHO_WE_ARE,
    "20005": "the account is not active: look at Twilio's console",
    "20008": "these are the credentials for tests: the account's own are needed",
    "20404": "there is no such thing in this account, or no longer",
    "20429": "too many requests at once: try again in a minute",
    "21405": "a fallback address cannot stand without its primary address",
    "HTTP 401": WHO_WE_ARE,
    "HTTP 403": "the account may not do this: look at Twilio's console",
    "no answer": "no answer within the time limit",
    "not reached": "Twilio was not reached: look at this machine's way to the internet",
    "connection lost": "the connection was lost",
    "unreadable answer": "what answered is not Twilio: look at twilio.api_base and at proxies between",
    "no auth token": "twilio.auth_tokens is missing",
}
UNSURE = "; it may have been done all the same"


def told(failed: ChannelFailed) -> str:
    """Twilio's code with what to do about it; for a code that is not known here where Twilio explains it."""
    code, why = failed.why, WHAT_TO_DO.get(failed.why)
    if why is None and code.isdecimal():
        why = f"see https://www.twilio.com/docs/api/errors/{code}"
    if why is None:
        why = "Twilio fails: try again" if failed.maybe_done else "Twilio has refused it"
    text = why if code in ("no answer", "not reached", "connection lost", "unreadable answer") else ""
    return (text or f"{why} ({code})") + (UNSURE if failed.maybe_done else "")
