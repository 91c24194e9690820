"""Keys of the public pages, derived from the first of service.keys: nothing more to configure or to lose."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from console.settings import Configuration


def link_secret(configuration: Configuration) -> bytes:
    """What case links are derived from: `secret` of `links.address`. Raises IndexError: no key."""
    return _derived(configuration, b"case-link")


def form_key(configuration: Configuration, link_id: int, act: str, done: int) -> str:
    """The key of a form, good for one use: `done` is how often its act was done before through this link."""
    secret = _derived(configuration, b"case-form")
    return hmac.digest(secret, f"{link_id}\n{act}\n{done}".encode(), "sha256").hex()[:32]


def _derived(configuration: Configuration, purpose: bytes) -> bytes:
    key = urlsafe_b64decode(configuration.service.keys[0].get_secret_value())
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(key)
