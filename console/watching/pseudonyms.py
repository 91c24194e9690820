"""What stands for a caller's number in the log: the same for the same number, and no way back to it."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable

from console.settings import Configuration

_LABEL = b"a caller's name in the log\n"
# Bytes of the keyed hash: enough to tell callers apart.
_LENGTH = 5
_NO_DIGITS = re.compile(r"\D+")


def pseudonyms(configuration: Configuration) -> Callable[[str], str]:
    """`of(number)`: a keyed pseudonym with the last three digits, "h3k7w2qa…201". Numbers are few, so without
    the key they could all be tried: it comes from `service.signing_key`, and without one is made up for this
    process alone.
    """
    signing = bytes.fromhex(configuration.service.signing_key.get_secret_value()) or secrets.token_bytes(32)
    key = hmac.digest(signing, _LABEL, "sha256")

    def of(number: str) -> str:
        mark = hmac.digest(key, number.encode("utf-8", "replace"), "sha256")[:_LENGTH]
        name = base64.b32encode(mark).decode("ascii").lower()
        digits = _NO_DIGITS.sub("", number)
        # Of a short one three digits would be most of it.
        return f"{name}…{digits[-3:]}" if len(digits) > 6 else name

    return of
