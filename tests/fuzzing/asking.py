"""One request as it stands on the wire, how it is signed, and how it is put to the application."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

FORM = "application/x-www-form-urlencoded"
SIGNATURE = "X-Twilio-Signature"
HOST = "rehearsal.invalid"
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """A request. `target` is the path as sent, escapes and all; `query` what follows the question mark.

    `chunked`: its length is not announced.
    """

    method: str = "POST"
    target: str = "/voice"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = (("Host", HOST), ("Content-Type", FORM))
    body: bytes = b""
    chunked: bool = False
    what: str = field(default="", compare=False)

    def with_headers(self, *more: tuple[str, str]) -> Asked:
        """With these headers in the place of those of the same names."""
        names = {name.lower() for name, _ in more}
        kept = [pair for pair in self.headers if pair[0].lower() not in names]
        return replace(self, headers=(*kept, *more))

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def text(self) -> str:
        """For whoever wants to send it again by hand."""
        address = self.target + (f"?{self.query}" if self.query else "")
        lines = [f"{self.method} {address!r}", *(f"{name}: {value!r}" for name, value in self.headers)]
        body = repr(self.body[:600]) + (f"… {len(self.body)} bytes" if len(self.body) > 600 else "")
        return "\n".join([f"[{self.what}]", *lines, "chunked" if self.chunked else "", body])


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes


def environment(asked: Asked) -> dict[str, Any]:
    """As a WSGI server gives it to the application."""
    found: dict[str, Any] = {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(asked.target.encode("utf-8", "replace")).decode("latin-1"),
        "QUERY_STRING": asked.query.encode("utf-8", "replace").decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(asked.body),
        "wsgi.errors": _Nowhere(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in asked.headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        value = value.encode("utf-8", "replace").decode("latin-1")
        found[key] = f"{found[key]},{value}" if key in found else value
    if asked.chunked:
        found["wsgi.input_terminated"] = True
        found["HTTP_TRANSFER_ENCODING"] = "chunked"
        found.pop("CONTENT_LENGTH", None)
    else:
        found.setdefault("CONTENT_LENGTH", str(len(asked.body)))
    return found


def put(app: Callable[..., Iterable[bytes]], asked: Asked) -> Answered:
    """What the application answers. What it raises is a bug to be seen."""
    told: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
        told[:] = [int(status.split(" ", 1)[0]), dict(headers)]
        return lambda _: None

    pieces = app(environment(asked), start)
    try:
        body = b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    return Answered(told[0], told[1], body)


def signed(asked: Asked, token: str, public_url: str) -> Asked:
    """Signed as its receiver will check it: over the address and the form that it makes of these bytes."""
    seen = Request(environment(asked))
    query = seen.query_string.decode("ascii", "replace")
    address = f"{public_url}{seen.path}" + (f"?{query}" if query else "")
    return asked.with_headers((SIGNATURE, signature(token, address, list(_pairs(seen)))))


def signature(token: str, address: str, pairs: Pairs) -> str:
    """HMAC-SHA1 over the address and the pairs, sorted, each value of a name once."""
    text = address + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(token.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _pairs(seen: Request) -> Iterator[tuple[str, str]]:
    # What cannot be read at all has nothing in it that could be signed.
    with suppress(HTTPException):
        if seen.mimetype == FORM:
            yield from seen.form.items(multi=True)


def encoded(pairs: Pairs) -> bytes:
    """A form's body. Lone surrogates go out as the bytes they would be."""
    return "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in pairs).encode("ascii")


def _escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


class _Nowhere:
    """What a server's error stream takes and we leave."""

    def write(self, _: str) -> None:
        pass

    def writelines(self, _: Iterable[str]) -> None:
        pass

    def flush(self) -> None:
        pass
