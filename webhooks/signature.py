"""Is this request from Twilio? Fails closed, always; there is no switch that turns it off.

Twilio signs in one of two ways. By default with the account's auth token, HMAC-SHA1. Where one of its webhook
rules says so, with a shared key made for that purpose, HMAC-SHA256; the request then carries a second header
that names key and algorithm. That header is itself not signed: whoever sends a request writes it as he likes.
So it decides nothing but which of the configured checks is made.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import urlparse

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator, add_port, remove_port
from werkzeug.datastructures import MultiDict

from webhooks.settings import Signatures

HEADER = "X-Twilio-Signature"
# There with a shared key's signature: `key=…,algorithm=…`.
SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"


class SignatureCheck:
    """Checks Twilio's signature: base64(HMAC(secret, address + sorted parameters)).

    The address is built from the configured public one, never from Host or X-Forwarded-*: those are
    whatever the sender writes. Any of the tokens, or of the shared keys, may have signed, so that one can be
    changed during calls. A token counts for HMAC-SHA1 alone and a shared key for HMAC-SHA256 alone, and
    each only where `signatures` has it.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        public_url: str,
        signatures: Signatures = "sha1",
        shared_keys: Sequence[str] = (),
    ) -> None:
        """Raises ValueError if that leaves nothing, or an empty secret, to check with."""
        self._validators = {
            HMAC_SHA1: _validators("auth token", tokens) if signatures != "sha256" else [],
            HMAC_SHA256: _validators("shared key", shared_keys) if signatures != "sha1" else [],
        }
        self._publics = _with_and_without_port(public_url.rstrip("/"))

    def holds(
        self,
        path: str,
        query: str,
        form: MultiDict[str, str],
        signature: str | None,
        settings: str | None = None,
    ) -> bool:
        """Whether a form posted to `path` (with the raw `query`) carries a signature of ours.

        `form` keeps its duplicates: as a plain dict it would sign differently. `settings` is the second
        header, None if the request has none.
        """
        if not signature or not signature.isascii():
            return False
        algorithm = _algorithm(settings)
        rest = f"{path}?{query}" if query else path
        given = _Form(form.lists())
        for validator in self._validators.get(algorithm, ()):
            for public in self._publics:
                computed = validator.compute_signature(public + rest, given, algorithm)
                if hmac.compare_digest(computed, signature):
                    return True
        return False


class _Form(dict[str, list[str]]):
    """A form as Twilio's validator reads it fastest: it asks for all values of a name."""

    getall = dict.__getitem__


def _with_and_without_port(public: str) -> tuple[str, str]:
    """Twilio signs an address now with its port and now without: as its own validator does, either counts.
    The likely one comes first, so that a request of Twilio's costs one computation.
    """
    address = urlparse(public)
    with_port, without = add_port(address), remove_port(address)
    return (with_port, without) if address.port else (without, with_port)


def _validators(what: str, secrets: Sequence[str]) -> list[RequestValidator]:
    # An empty secret makes Twilio's validator believe a signature that anybody can compute.
    if not secrets or not all(secrets):
        raise ValueError(f"no {what}: nothing could be believed")
    return [RequestValidator(secret) for secret in secrets]


def _algorithm(settings: str | None) -> str:
    """The algorithm that a settings header names; "" if it names none, or more than one.

    Twilio's own reading of a header without an algorithm is HMAC-SHA1: ours is that nothing can be believed.
    """
    if settings is None:
        return str(HMAC_SHA1)
    parts = [part.partition("=") for part in settings.split(",")]
    named = [value.strip() for name, _, value in parts if name.strip() == "algorithm"]
    return named[0].upper() if len(named) == 1 and named[0].isascii() else ""
