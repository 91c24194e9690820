"""An identity provider on this machine, as small as one can be that really signs.

It serves at http://localhost:PORT, which is another site than the 127.0.0.1 at which tests serve the console.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "console", "a secret of the client"


@dataclass
class Provider:
    """`claims` are put over what an ID token has; None takes one out. `wrong` makes it misbehave, by name."""

    issuer: str
    clock: Callable[[], datetime]
    claims: dict[str, Any] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    # What it was asked, by path.
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))

    def __call__(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        given = {**request.args.to_dict(), **request.form.to_dict()}
        self.asked.append((request.path, given))
        answer: Callable[[Request, dict[str, str]], Response] = {
            "/.well-known/openid-configuration": self._metadata,
            "/authorize": self._authorize,
            "/token": self._token,
            "/keys": self._keys,
        }.get(request.path, lambda *_: Response(status=404))
        return answer(request, given)(environ, start)

    def _metadata(self, request: Request, given: dict[str, str]) -> Response:
        if "down" in self.wrong:
            return Response(status=500)
        if "sends elsewhere" in self.wrong:
            return Response(status=302, headers={"Location": "http://169.254.169.254/latest"})
        named = {
            "issuer": "https://evil.example" if "another issuer" in self.wrong else self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": "file:///etc/passwd" if "a file" in self.wrong else f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return _json(named | ({"padding": "x" * 300_000} if "endless" in self.wrong else {}))

    def _authorize(self, request: Request, given: dict[str, str]) -> Response:
        """Everybody is let in at once, as somebody who has been asked all there is to ask."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = given
        back = {"state": given["state"], "iss": self.issuer}
        back |= {"error": "access_denied"} if "denies" in self.wrong else {"code": code}
        return Response(status=302, headers={"Location": f"{given['redirect_uri']}?{urlencode(back)}"})

    def _token(self, request: Request, given: dict[str, str]) -> Response:
        asked = self._codes.pop(given.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(
            hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        ).rstrip(b"=")
        basic = request.authorization
        if (
            asked is None
            or asked["code_challenge"].encode() != challenge
            or asked["redirect_uri"] != given["redirect_uri"]
            or basic is None
            or unquote_plus(basic.password or "") != SECRET
        ):
            return _json({"error": "invalid_grant"}, 400)
        return _json({"access_token": "x", "token_type": "Bearer", "id_token": self.signed(asked["nonce"])})

    def signed(self, nonce: str) -> str:
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "user-1",
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "email": "Mario.Gialli@example.net",
            "email_verified": True,
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if "signs nothing" in self.wrong:
            parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
            return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
        key = RSAKey.generate_key(2048, {"kid": "one"}) if "another key" in self.wrong else self._key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)

    def _keys(self, request: Request, given: dict[str, str]) -> Response:
        return _json(KeySet([self._key]).as_dict(private=False))


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


@contextmanager
def serving(clock: Callable[[], datetime]) -> Iterator[Provider]:
    """A provider that is served meanwhile."""
    provider = Provider("", clock)
    server = make_server("127.0.0.1", 0, provider, threaded=True, request_handler=_Quiet)
    provider.issuer = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
