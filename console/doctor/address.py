"""Whether a call of Twilio's would arrive: the certificate, and a signed request through the public address.

The request is a real one of Twilio's kind, `/voice/status` for a call that nobody knows and that has not
ended. Only the end of a call is taken note of there, so it changes nothing; but it passes all that a call
passes: name, certificate, proxy, path, query, form, signature. Unsigned it must be refused.
"""

from __future__ import annotations

import secrets as drawn
import ssl
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit

from pydantic import SecretStr

from console import certificate
from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.phone.signature import signed
from webhooks.settings import TwilioSettings

# Twilio hears nothing for longer: it gives up after 15 s, we after less.
PATIENCE = 8.0
# What a proxy likes to change: an escaped slash, a space, an umlaut, an empty value, the order.
QUERY = "z=%2Fa%20b&doctor=%C3%A8&a="
PATH = "/voice/status"
_RENEW = "Renew it, or find out why it was not renewed by itself."


def check(look: Look) -> Iterator[Finding]:
    public = urlsplit(look.configuration.service.public_url)
    if not public.hostname:
        return  # the configuration's subject says so
    if public.scheme == "https":
        found = _certificate(look, public.hostname, public.port or 443)
        yield found
        if found.blocks:
            return
    yield from _door(look)


def _certificate(look: Look, host: str, port: int) -> Finding:
    found = certificate.seen(host, port, look.tools.trust)
    if found is None:
        return red(
            "unreachable",
            f"Nobody answers at {host}:{port} from this machine: no call comes in.",
            "See that `ivr serve` and the proxy run and that the name leads to it. If only this machine "
            "cannot reach its own public address (NAT), let the name lead to the proxy in /etc/hosts.",
            blocks=True,
        )
    if found.ends is None:
        return red(
            "certificate-refused",
            f"The certificate of {host} is not to be believed: {found.why}. Twilio refuses it, no call "
            "comes in.",
            "Replace it at once; a proxy must show the whole chain, and Twilio takes no self-signed one.",
            blocks=True,
        )
    days = (found.ends - look.at) // timedelta(days=1)
    if found.ends - look.at <= certificate.AHEAD:
        make = red if days < 2 else yellow
        return make("certificate-ends", f"The certificate of {host} ends in {max(days, 0)} days.", _RENEW)
    return green("certificate", f"The certificate of {host} is good for {days} days.")


def _door(look: Look) -> Iterator[Finding]:
    configuration = look.configuration
    public = configuration.service.public_url
    twilio = configuration.twilio
    if not (twilio.auth_tokens and twilio.account_sid):
        return
    form = {
        "AccountSid": twilio.account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": f"CA{drawn.token_hex(16)}",
        "CallStatus": "ringing",  # never the end of a call: nothing is written for it
        "Direction": "inbound",
        "From": configuration.our_numbers[0],
        "To": configuration.our_numbers[0],
    }
    try:
        pairs, full = list(form.items()), f"{public}{PATH}?{QUERY}"
        ways = [signed(secret, "", full, pairs) for secret in _of(twilio.auth_tokens, "sha256", twilio)]
        ways += [signed("", secret, full, pairs) for secret in _of(twilio.shared_keys, "sha1", twilio)]
        answers = [_post(look, form, way) for way in ways]
        unsigned = _post(look, form, {})
    except (OSError, HTTPException) as error:
        yield red(
            "no-answer",
            f"A request to {public}{PATH} got no answer ({type(error).__name__}): no call comes in.",
            "See that `ivr serve` runs and that the proxy leads to it.",
        )
        return
    yield from _judged(public, answers, unsigned)


def _of(secrets: list[SecretStr], but_not: str, twilio: TwilioSettings) -> list[str]:
    """These, unless the door looks at the others alone."""
    return [] if twilio.signatures == but_not else [each.get_secret_value() for each in secrets]


def _judged(public: str, answers: list[int], unsigned: int) -> Iterator[Finding]:
    """`answers` has one for each auth token and shared key that the door believes."""
    if 300 <= answers[0] < 400:
        yield red(
            "redirected",
            f"{public}{PATH} answers {answers[0]}, another address: Twilio's signature does not hold there.",
            "Write the address that does not redirect into `[service] public_url`.",
        )
    elif answers[0] == 403 or 403 in answers:
        yield red(
            "signature-refused",
            "Our own door refuses a request that is signed for the public address: it would refuse "
            "Twilio's too.",
            "See that `[service] public_url` and `[twilio] auth_tokens` are those `ivr serve` runs with "
            "(restart it), and that the proxy changes neither path nor query.",
        )
    elif any(status != 204 for status in answers):
        yield red(
            "other-service",
            f"{public}{PATH} answers {', '.join(map(str, answers))} where our door answers 204: something "
            "else answers, or the door fails.",
            "See that the proxy leads to `[service] listen`, and what the log of `ivr serve` says.",
        )
    elif unsigned != 403:
        yield red(
            "unsigned-believed",
            f"A request without a signature was answered {unsigned} and not refused: anybody could pose "
            "as Twilio.",
            "See what stands between: only our own door may answer, and it refuses what is not signed.",
        )
    else:
        yield green(
            "address", f"A signed request through {public} arrives and is believed; an unsigned one is not."
        )


def _post(look: Look, form: dict[str, str], way: dict[str, str]) -> int:
    """The status of the answer; `way` has the headers that sign it. Nothing is followed, and no proxy of this
    machine's settings is asked.
    """
    public = urlsplit(look.configuration.service.public_url)
    assert public.hostname
    connection: HTTPConnection
    if public.scheme == "https":
        context = look.tools.trust or ssl.create_default_context()
        connection = HTTPSConnection(public.hostname, public.port, timeout=PATIENCE, context=context)
    else:
        connection = HTTPConnection(public.hostname, public.port, timeout=PATIENCE)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "ivr doctor", **way}
    try:
        connection.request("POST", f"{PATH}?{QUERY}", urlencode(form), headers)
        answer = connection.getresponse()
        answer.read(65536)
        return answer.status
    finally:
        connection.close()
