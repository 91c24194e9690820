"""What is no HTTP at all, or nearly: bytes to the listener of a running service."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from fuzzing import nasty

LISTENS_FOR = 1.5  # seconds; a server that waits for more says nothing meanwhile
_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"

# Each is sent as it stands. `{host}` is nothing that is checked here: the door believes no Host.
RAW: Sequence[bytes] = (
    b"",
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /voice\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /voice HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /voice HTTP/1.1\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
    b"POST http://evil.example.net/voice HTTP/1.1\r\nHost: x\r\n" + _FORM + b"Content-Length: 0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n" + _FORM + b"Content-Length: 99999999999999999999\r\n\r\na",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n"
    + _FORM
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + b"POST /voice/status HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n"
    + _FORM
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n"
    + _FORM
    + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n" + _FORM + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n" + _FORM + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\nContent-Length: 0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nA : b\r\nContent-Length: 0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n folded: yes\r\nContent-Length: 0\r\n\r\n",
    b"POST /voice HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
    b"POST /voice\x00 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /voice/turn/\xff\xfe HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(500)) + b"\r\n",
    b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
    b"GET /healthz HTTP/1.1\r\nHost: x:99999\r\n\r\n",
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + _FORM + b"Content-Length: 10\r\n\r\n",
    b"POST /voice HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n",
)
_WELL_FORMED = (
    b"POST /voice HTTP/1.1\r\nHost: phone.example.net\r\n"
    + _FORM
    + b"X-Twilio-Signature: abc\r\nContent-Length: 11\r\n\r\nCallSid=CA1"
)


def anything(rng: random.Random) -> bytes:
    """Something that is nearly a request, or nothing of the kind."""
    match rng.randrange(4):
        case 0 | 1:
            return nasty.damaged(rng, _WELL_FORMED)
        case 2:
            return nasty.damaged(rng, rng.choice(RAW))
        case _:
            return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400)))


def sent(listener: str, raw: bytes, listens_for: float = LISTENS_FOR) -> bytes:
    """What comes back for these bytes until the other side is done or has nothing more to say."""
    host, _, port = listener.rpartition(":")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=listens_for) as line, suppress(OSError):
        line.sendall(raw)
        # Nothing more is coming: a server that waits for the rest of a body need wait no longer.
        line.shutdown(socket.SHUT_WR)
        until = time.monotonic() + listens_for
        while time.monotonic() < until and (piece := line.recv(65_536)):
            heard += piece
    return heard


def wrongs(raw: bytes, heard: bytes) -> list[str]:
    """What must not be among it."""
    found = []
    for line in heard.split(b"\r\n"):
        if line.startswith(b"HTTP/") and line[9:10] == b"5":
            # What gunicorn itself says of a transfer coding or a version that it does not know.
            if line[9:12] in (b"501", b"505"):
                continue
            found.append(f"answered {line[9:60].decode('latin-1')}")
    if b"Traceback" in heard:
        found.append("a traceback in the answer")
    if b"<Response" in heard:
        found.append("unsigned, and yet TwiML was answered")
    return [f"{each}\n{raw[:300]!r}" for each in found]


def barrage(listener: str, rng: random.Random, seconds: float, tell: Callable[[str], None]) -> int:
    """Send all of RAW once, then anything, for so many seconds. `tell` hears what is wrong. How many."""
    count = 0
    until = time.monotonic() + seconds
    for raw in RAW:
        for wrong in wrongs(raw, sent(listener, raw)):
            tell(wrong)
        count += 1
    while time.monotonic() < until:
        raw = anything(rng)
        for wrong in wrongs(raw, sent(listener, raw, 0.5)):
            tell(wrong)
        count += 1
    return count
