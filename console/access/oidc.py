"""Logging in by the company's own identity provider: OpenID Connect, authorisation code with PKCE.

Nobody becomes a user by it. Whoever comes is known by issuer and subject; the first time, by a name that an
admin has given to a user who has set nothing up yet. The second factor is the provider's affair; that it
asked for one can be demanded (`oidc_factor`).

What is asked of the network: the document of the configured issuer, and the addresses for tokens and keys
that it names. All are https; no redirect is followed. Nothing that a visitor sends is ever an address.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, select, update

from console.access import keys, users
from console.access.users import User
from console.house import House
from console.settings import ConsoleSettings
from console.tables import console_links, console_users
from storage import audit

security = logging.getLogger("ivr.security")

PURPOSE = "oidc"
# From the login page to the provider and back.
LASTS = timedelta(minutes=10)
# Seconds for each of the three requests, and bytes of what they answer.
TIMEOUT, LARGEST = 5.0, 256 * 1024
# Clocks differ.
LEEWAY = 60
# Signatures that only the provider can make: never "none", nor one with a secret that we share.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LONGEST_SUBJECT = 400
# So many visitors at once keep us waiting for the provider.
_SLOTS = threading.BoundedSemaphore(2)


class ProviderRefused(Exception):
    """Nobody comes in. `why` is away (the provider, or what it says, cannot be used), stale (begun too long
    ago, or in another browser), denied (by the provider, or by him), factor, unknown, busy; `name` is whom it
    named, for unknown.
    """

    def __init__(self, why: str, name: str = "") -> None:
        super().__init__(why)
        self.why, self.name = why, name


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and what it carries for us meanwhile, in a cookie."""

    address: str
    ticket: str


def begin(house: House, at: datetime, back: str, onward: str) -> Begun:
    """Send somebody to the provider, who sends him to our address `back`. ProviderRefused: away, busy."""
    settings = house.configuration.console
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with _asking():
        named = _metadata(settings)
        client = _client(settings, named, back)
        more = {"acr_values": settings.oidc_factor} if settings.oidc_factor else {}
        address, _ = client.create_authorization_url(
            _address(settings, named, "authorization_endpoint"),
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            **more,
        )
    ticket = keys.ticket(
        house.configuration, PURPOSE, at + LASTS, state=state, nonce=nonce, verifier=verifier, onward=onward
    )
    return Begun(address, ticket)


def finish(
    house: House, at: datetime, back: str, ticket: str, answered: Mapping[str, str]
) -> tuple[User, str]:
    """Who came back, and where he wanted to go. Raises ProviderRefused."""
    settings = house.configuration.console
    held = keys.read_ticket(house.configuration, PURPOSE, at, ticket)
    state = answered.get("state", "").encode("utf-8", "replace")
    if not held or not hmac.compare_digest(state, held["state"].encode()):
        raise ProviderRefused("stale")
    if answered.get("iss", settings.oidc_issuer) != settings.oidc_issuer:
        raise ProviderRefused("stale")
    if "error" in answered or not answered.get("code"):
        security.warning("the identity provider refused a login: %.40r", answered.get("error", ""))
        raise ProviderRefused("denied")
    with _asking():
        claims = _claims(settings, at, back, answered["code"], held["verifier"], held["nonce"])
    _check_factor(settings, claims)
    with house.database.write() as connection:
        user = _user(connection, settings, at, claims)
        audit.record(connection, user.actor, at, "user.login", f"user:{user.id}", details={"by": "provider"})
    return user, held["onward"]


# -- who it is -----------------------------------------------------------------------------------


def _user(connection: Connection, settings: ConsoleSettings, at: datetime, claims: Mapping[str, Any]) -> User:
    """By issuer and subject, or, the first time, by name. Raises ProviderRefused: unknown."""
    subject = f"{settings.oidc_issuer} {claims['sub']}"
    if len(subject) > LONGEST_SUBJECT:
        raise ProviderRefused("away")
    there = console_users.c.removed_at.is_(None)
    row = connection.execute(
        select(console_users).where(console_users.c.oidc_subject == subject, there)
    ).first()
    if row is not None:
        return users.user_of(row)
    name = _name(settings, claims)
    row = connection.execute(
        select(console_users)
        .where(
            console_users.c.name == name,
            console_users.c.password.is_(None),
            console_users.c.oidc_subject.is_(None),
            there,
        )
        .with_for_update()
    ).first()
    if row is None:
        security.warning("the identity provider sent somebody whom nobody has added")
        raise ProviderRefused("unknown", name)
    connection.execute(update(console_users).where(console_users.c.id == row.id).values(oidc_subject=subject))
    # Nobody sets a password by a link any more.
    connection.execute(delete(console_links).where(console_links.c.user_id == row.id))
    user = users.by_id(connection, row.id)
    audit.record(connection, user.actor, at, "user.provider", f"user:{user.id}", details={"name": name})
    return user


def _name(settings: ConsoleSettings, claims: Mapping[str, Any]) -> str:
    """By which name he is looked for: an e-mail address only if the provider has verified it."""
    name = claims.get(settings.oidc_name)
    if not isinstance(name, str) or (
        settings.oidc_name == "email" and claims.get("email_verified") is not True
    ):
        raise ProviderRefused("unknown")
    return "".join(c for c in name.strip().lower() if c.isprintable())[:64]


def _check_factor(settings: ConsoleSettings, claims: Mapping[str, Any]) -> None:
    """Raises ProviderRefused: factor."""
    used = claims.get("amr")
    said = [claims.get("acr"), *(used if isinstance(used, list) else [])]
    if settings.oidc_factor and settings.oidc_factor not in said:
        raise ProviderRefused("factor")


# -- what the provider says ----------------------------------------------------------------------


def _claims(
    settings: ConsoleSettings, at: datetime, back: str, code: str, verifier: str, nonce: str
) -> Mapping[str, Any]:
    """The claims of the ID token that the code is worth, each of them checked. ProviderRefused: away."""
    import requests
    from authlib.common.errors import AuthlibBaseError
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        named = _metadata(settings)
        client = _client(settings, named, back)
        given = client.fetch_token(
            _address(settings, named, "token_endpoint"),
            grant_type="authorization_code",
            code=code,
            code_verifier=verifier,
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        signed_by = KeySet.import_key_set(_document(_address(settings, named, "jwks_uri")))  # type: ignore[arg-type]
        token = jwt.decode(str(given["id_token"]), signed_by, algorithms=list(ALGORITHMS))
        jwt.JWTClaimsRegistry(
            now=int(at.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": settings.oidc_issuer},
            aud={"essential": True, "value": settings.oidc_client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(token.claims)
        if token.claims.get("azp", settings.oidc_client_id) != settings.oidc_client_id:
            raise ValueError("azp")
    except (requests.RequestException, AuthlibBaseError, JoseError, KeyError, TypeError, ValueError) as error:
        security.warning("what the identity provider says cannot be used: %s", type(error).__name__)
        raise ProviderRefused("away") from None
    return token.claims


def _metadata(settings: ConsoleSettings) -> Mapping[str, Any]:
    """What the issuer says of itself. Raises ProviderRefused: away."""
    import requests

    try:
        named = _document(f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration")
    except (requests.RequestException, ValueError) as error:
        security.warning("the identity provider cannot be reached: %s", type(error).__name__)
        raise ProviderRefused("away") from None
    if named.get("issuer") != settings.oidc_issuer:
        security.warning("the identity provider calls itself otherwise than console.oidc_issuer")
        raise ProviderRefused("away")
    return named


def _document(address: str) -> Mapping[str, Any]:
    """A JSON object. Raises RequestException, ValueError."""
    import requests

    with requests.get(address, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            raise ValueError("no such document")
        content = answer.raw.read(LARGEST + 1, decode_content=True)
    if len(content) > LARGEST:
        raise ValueError("too large")
    read = json.loads(content)
    if not isinstance(read, dict):
        raise ValueError("not an object")
    return read


def _client(settings: ConsoleSettings, named: Mapping[str, Any], back: str) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    secret = settings.oidc_client_secret.get_secret_value()
    known = named.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    basic = "client_secret_basic" in known
    return OAuth2Session(
        settings.oidc_client_id,
        secret or None,
        token_endpoint_auth_method=(
            "none" if not secret else "client_secret_basic" if basic else "client_secret_post"
        ),
        scope="openid email profile",
        redirect_uri=back,
        code_challenge_method="S256",
    )


def _address(settings: ConsoleSettings, named: Mapping[str, Any], what: str) -> str:
    """An address that the issuer names: https, as the issuer's own. Raises ProviderRefused: away."""
    address = named.get(what)
    parts = urlsplit(address) if isinstance(address, str) else urlsplit("")
    if parts.scheme != urlsplit(settings.oidc_issuer).scheme or not parts.hostname or parts.username:
        security.warning("the identity provider names no %s that can be used", what)
        raise ProviderRefused("away")
    return parts.geturl()


@contextmanager
def _asking() -> Iterator[None]:
    """Raises ProviderRefused: busy."""
    if not _SLOTS.acquire(timeout=TIMEOUT):
        raise ProviderRefused("busy")
    try:
        yield
    finally:
        _SLOTS.release()
