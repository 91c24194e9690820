"""Signs requests as Twilio does: X-Twilio-Signature over address and form, by HMAC-SHA1 with the auth token
or by HMAC-SHA256 with a shared key, which a second header then tells.
"""

from urllib.parse import urlsplit, urlunsplit

from twilio.request_validator import HMAC_SHA256, RequestValidator


def without_fragment(url: str) -> str:
    """`url` as it is requested: connection overrides such as #rc=1 stay with Twilio."""
    return url.partition("#")[0]


def signed_address(url: str) -> str:
    """`url` as it is signed: without user name and password, over HTTPS also without the port.

    Twilio: "Voice over HTTPS drops the port".
    """
    parts = urlsplit(without_fragment(url))
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None:
        host = host.rpartition(":")[0]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def signature(auth_token: str, url: str, form: list[tuple[str, str]]) -> str:
    """The value of X-Twilio-Signature. ValueError without a token: it would validate anybody."""
    if not auth_token:
        raise ValueError("an auth token is needed to sign")
    return str(RequestValidator(auth_token).compute_signature(signed_address(url), dict(form)))


def signed(auth_token: str, shared_key: str, url: str, form: list[tuple[str, str]]) -> dict[str, str]:
    """The headers of a signed request: with the shared key if there is one, else with the auth token."""
    if not shared_key:
        return {"X-Twilio-Signature": signature(auth_token, url, form)}
    made = RequestValidator(shared_key).compute_signature(signed_address(url), dict(form), HMAC_SHA256)
    return {
        "X-Twilio-Signature": str(made),
        # The key's name at Twilio tells us nothing, and nobody looks at it.
        "X-Twilio-Webhooks-Signature-Settings": f"key=webhooks_sharedkey_0,algorithm={HMAC_SHA256}",
    }
