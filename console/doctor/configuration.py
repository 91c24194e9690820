"""What the configuration itself says: what `serve` refuses, and what the console's page warns of."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources

from console import settings_checks
from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look

# Said by another subject, with more to it.
ELSEWHERE = frozenset({"missing", "no-rota", "open-file", "no-backup", "plain-http", "text-landline"})
# Graver here than on the page, which an admin reads by day.
RED = frozenset({"no-signing"})
_MISSING = {
    "service.public_url": "Write the https address at which Twilio reaches this service into `[service] "
    "public_url`.",
    "service.keys": "Write a key into `[service] keys`: `ivr init` makes one in a new file.",
    "twilio.account_sid": "Copy the Account SID (AC…) from Twilio's console into `[twilio] account_sid`.",
    "twilio.auth_tokens": "Copy the auth token from Twilio's console into `[twilio] auth_tokens`, or put "
    "it in a file and name that in `auth_tokens_file`.",
    "pins.peppers": "Put the pepper back from your copy; only where no PIN was ever issued, a new one "
    "from `ivr init`.",
    "pins.salt": "Put the salt back from your copy; only where no PIN was ever issued, a new one from "
    "`ivr init`.",
}
_REMEDIES = {
    "no-office": "Name the office's phones in `[[number]] office`.",
    "no-windows": "Write the hours into `[hours] pin_windows`.",
    "no-holidays": 'Write the country or province into `[hours] holidays`, such as "IT/TN".',
    "voicemail": "Lower `[ringing] rings` to 25 or less.",
    "api-base": "Take `[twilio] api_base` out.",
    "weak-cost": "Take `cost` in `[pins]` back to the shipped figures.",
    "screening": "Switch `[pins] screen_without_pin` off, unless it is meant so.",
    "no-signing": "Write 32 random bytes in hexadecimal into `[service] signing_key` (`python3 -c "
    "'import secrets; print(secrets.token_hex(32))'`): without it there is no snapshot for outages and "
    "no ledger of revocations.",
    "no-mail": "Name a mail server in `[mail]`.",
    "no-admins": "Write e-mail addresses into `[notices] admins`.",
    "state": "Make the folder writable for the user that the service runs as.",
    "no-file": "Put the file there, or take its name out of the configuration.",
}
_OTHERWISE = "Look at this key in the configuration; docs and `config.example.toml` say what it does."


def check(look: Look) -> Iterator[Finding]:
    configuration = look.configuration
    missing = configuration.missing_for_calls()
    for key in missing:
        yield red(f"missing.{key}", f"{key} is missing: no call can be served.", _MISSING[key])
    if configuration.service.public_url.startswith("http:"):
        yield red(
            "plain-http",
            "service.public_url is not https: callers' PINs would travel in clear.",
            "Put a proxy with a certificate before the webhook door, and write its https address.",
        )
    rotas = {number.rota for number in configuration.number}
    for found in settings_checks.findings(configuration, rotas):
        if found.name in ELSEWHERE or found.level not in ("alarm", "warn"):
            continue
        make = red if found.level == "alarm" or found.name in RED else yellow
        key = f"{found.name}.{found.key}" if found.key else found.name
        yield make(key, _sentence(found), _REMEDIES.get(found.name, _OTHERWISE))
    if not missing:
        yield green("configuration", "Everything that calls need is configured.")


def _sentence(found: settings_checks.Finding) -> str:
    """What the console's page of the settings says of it."""
    text = _words().get(f"check-{found.name}", f"{found.key} is to be looked at.")
    for name, value in found.facts.items():
        text = text.replace("{" + name + "}", str(value))
    return text


@cache
def _words() -> dict[str, str]:
    file = resources.files("console.web") / "words" / "en" / "settings.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
