"""Is this request from Twilio? Fails closed, always; there is no switch that turns it off."""

from __future__ import annotations

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

HEADER = "X-Twilio-Signature"


class SignatureCheck:
    """Checks Twilio's signature: base64(HMAC-SHA1(auth token, address + sorted parameters)).

    The address is built from the configured public one, never from Host or X-Forwarded-*: those are
    whatever the sender writes. Any of the tokens may have signed, so that a token can be changed
    during calls.
    """

    def __init__(self, tokens: list[str], public_url: str) -> None:
        # An empty token makes Twilio's validator believe a signature that anybody can compute.
        if not tokens or not all(tokens):
            raise ValueError("no auth token: nothing could be believed")
        self._validators = [RequestValidator(token) for token in tokens]
        self._public = public_url.rstrip("/")

    def holds(self, path: str, query: str, form: MultiDict[str, str], signature: str | None) -> bool:
        """Whether a form posted to `path` (with the raw `query`) carries a signature of ours.

        `form` keeps its duplicates: as a plain dict it would sign differently.
        """
        if not signature or not signature.isascii():
            return False
        address = f"{self._public}{path}" + (f"?{query}" if query else "")
        return any(validator.validate(address, form, signature) for validator in self._validators)
