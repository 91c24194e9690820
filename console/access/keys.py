"""Keys of the console, derived from service.keys: nothing more to configure or to lose."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from console.settings import Configuration


def digest(token: str) -> str:
    """Under which a random token is kept: nobody who reads the database can use it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def form_token(configuration: Configuration, cookie: str) -> str:
    """What a form must bring beside this cookie: another site's forms do not know it."""
    return hmac.digest(
        _derived(configuration, b"console-form"), cookie.encode("utf-8", "replace"), "sha256"
    ).hex()


def recovery_digests(configuration: Configuration, user_id: int, code: str) -> list[str]:
    """Under which a recovery code may be kept: the first is for new ones, the others were made under
    keys that are about to go.
    """
    text = f"{user_id}\n{code}".encode("utf-8", "replace")
    return [
        hmac.digest(_hkdf(key, b"console-recovery"), text, "sha256").hex() for key in _keys(configuration)
    ]


def token_digests(configuration: Configuration, token: str) -> list[str]:
    """Under which another program's token may be kept; the first is for new ones."""
    text = token.encode("utf-8", "replace")
    return [hmac.digest(_hkdf(key, b"api-token"), text, "sha256").hex() for key in _keys(configuration)]


def new_factor(configuration: Configuration, token: str) -> str:
    """The secret of a second factor that is being set up, 160 bits in base32: the same each time the page
    of this link or form is shown, and nowhere kept until it has been proved.
    """
    key = _derived(configuration, b"console-factor")
    return b32encode(hmac.digest(key, token.encode("utf-8", "replace"), "sha1")).decode()


def seal(configuration: Configuration, text: str) -> str:
    return _fernet(configuration).encrypt(text.encode()).decode()


def unseal(configuration: Configuration, sealed: str) -> str | None:
    """None if none of the keys in service.keys has sealed it."""
    try:
        return _fernet(configuration).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def ticket(configuration: Configuration, purpose: str, until: datetime, /, **holds: str) -> str:
    """What a browser carries for us from one page to the next, and can neither read nor change."""
    return seal(configuration, json.dumps({"for": purpose, "until": until.timestamp(), "holds": holds}))


def read_ticket(configuration: Configuration, purpose: str, at: datetime, given: str) -> Mapping[str, str]:
    """What it holds. Empty if it is not ours, is for something else, or its time is over."""
    text = unseal(configuration, given) if given.isascii() else None
    read = json.loads(text) if text and text.startswith("{") else {}
    if read.get("for") != purpose or at.timestamp() >= read["until"]:
        return {}
    holds: Mapping[str, str] = read["holds"]
    return holds


def _fernet(configuration: Configuration) -> MultiFernet:
    sealing = [_hkdf(key, b"console-seal") for key in _keys(configuration)]
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in sealing])


def _derived(configuration: Configuration, purpose: bytes) -> bytes:
    return _hkdf(_keys(configuration)[0], purpose)


def _keys(configuration: Configuration) -> list[bytes]:
    return [urlsafe_b64decode(key.get_secret_value()) for key in configuration.service.keys]


def _hkdf(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(key)
