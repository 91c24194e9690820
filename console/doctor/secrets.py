"""Whether the secrets are secrets: random, each used for one thing. Their values are never told."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.settings import Configuration

FRESH = "`python3 -c 'import secrets; print(secrets.token_hex(32))'` makes one"
_CHANGING = "docs/secrets.md says how each is changed without losing a call or a PIN."


def check(look: Look) -> Iterator[Finding]:
    used: dict[bytes, list[str]] = defaultdict(list)
    weak = []
    for name, raw in _secrets(look.configuration):
        used[raw].append(name)
        if _weak(raw):
            weak.append(name)
    for name in weak:
        yield red(
            f"weak.{name}",
            f"{name} is not random: it can be guessed.",
            f"Change it for random bytes ({FRESH}). {_CHANGING}",
        )
    for names in used.values():
        if len(names) > 1:
            yield yellow(
                f"twice.{'+'.join(names)}",
                f"{' and '.join(names)} are the same secret: if one leaks, all have.",
                f"Give each a value of its own. {_CHANGING}",
            )
    for place, token in enumerate(look.configuration.twilio.auth_tokens, 1):
        if not re.fullmatch("[0-9a-f]{32}", token.get_secret_value()):
            yield yellow(
                f"token.{place}",
                f"twilio.auth_tokens {place} is not 32 hexadecimal digits, as Twilio's auth tokens are.",
                "Copy the auth token anew from Twilio's console; an API key's secret signs no request.",
            )
    if used and not weak:
        yield green(
            "secrets",
            "The secrets look random.",
            "Keep a copy of pins.peppers, pins.salt, service.signing_key and backup.sealing_keys away "
            "from this machine: without them no PIN works and no backup can be read.",
        )


def _secrets(configuration: Configuration) -> Iterator[tuple[str, bytes]]:
    """Each of ours, with the name it is called by."""
    service, pins = configuration.service, configuration.pins
    for place, key in enumerate(service.keys, 1):
        yield f"service.keys {place}", base64.urlsafe_b64decode(key.get_secret_value())
    written = [
        ("service.signing_key", service.signing_key),
        *((f"pins.peppers {place}", each) for place, each in enumerate(pins.peppers, 1)),
        ("pins.salt", pins.salt),
        *((f"backup.sealing_keys {n}", each) for n, each in enumerate(configuration.backup.sealing_keys, 1)),
    ]
    for name, secret in written:
        try:
            raw = bytes.fromhex(secret.get_secret_value())
        except (ValueError, binascii.Error):  # refused elsewhere
            continue
        if raw:
            yield name, raw


def _weak(raw: bytes) -> bool:
    """Whether nobody drew it: few values, or steps of one length. Of 32 random bytes some 30 differ; that
    fewer than half of them do has a chance below 1e-17, and of 16 below 1e-9.
    """
    steps = {(b - a) % 256 for a, b in pairwise(raw)}
    return len(set(raw)) < len(raw) // 2 or len(steps) <= 2
