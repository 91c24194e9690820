"""Twilio's REST interface over real HTTP on this machine: calls that are placed, text messages, recordings.

`rings` is told of every call that was placed and plays whoever is phoned; `texted` of every message.
`faults` is what befalls the next requests that are POSTed, in turn; `texts_fail` refuses all messages, as a
provider does whose way to the operators is cut.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

Fault = Literal["429", "500 before", "500 after", "hang", "401"]
# Longer than the product waits.
HANGS = 11.0
AT_ONCE = 8


@dataclass
class Made:
    """A call or a message that was asked for."""

    sid: str
    kind: str
    to: str
    sender: str
    body: str
    url: str
    callback: str
    made: datetime
    status: str

    def document(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "to": self.to,
            "from": self.sender,
            "body": self.body,
            "status": self.status,
            "direction": "outbound-api",
            "date_created": format_datetime(self.made.astimezone(UTC), usegmt=False),
        }


class Network:
    """What was asked of it, in order, and what it does next."""

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.rings: Callable[[Made], None] = lambda _: None
        self.texted: Callable[[Made], None] = lambda _: None
        self.made: list[Made] = []
        self.faults: deque[Fault] = deque()
        self.texts_fail = False
        # Only requests with this token are believed, if one is given.
        self.token = ""
        self.count: Counter[str] = Counter()
        self.busy = 0
        self._numbers = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def befalls(self, kind: str) -> Fault | None:
        """Only a call's request hangs: a message that waits for its turn is no fault that anybody notices."""
        with self._lock:
            waits = not self.faults or (self.faults[0] == "hang" and kind != "Calls")
            fault = None if waits else self.faults.popleft()
            if fault:
                self.count[fault] += 1
            return fault

    def make(self, kind: str, asked: dict[str, str]) -> Made:
        with self._lock:
            self._numbers += 1
            made = Made(
                f"{'CA' if kind == 'Calls' else 'SM'}{0xFA << 116 | self._numbers:032x}",
                kind,
                asked["To"],
                asked["From"],
                asked.get("Body", ""),
                asked.get("Url", ""),
                asked.get("StatusCallback", ""),
                self.clock(),
                "queued",
            )
            self.made.append(made)
            self.busy += 1
        self._pool.submit(self._happen, made)
        return made

    def _happen(self, made: Made) -> None:
        try:
            (self.rings if made.kind == "Calls" else self.texted)(made)
        finally:
            with self._lock:
                self.busy -= 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Something is still to come of a request."""
        with self._lock:
            self.busy += 1
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def find(self, kind: str, query: dict[str, str]) -> list[Made]:
        with self._lock:
            return [
                each
                for each in self.made[-2000:]
                if each.kind == kind and each.to == query.get("To") and each.sender == query.get("From")
            ]

    def one(self, sid: str) -> Made | None:
        with self._lock:
            return next((each for each in reversed(self.made) if each.sid == sid), None)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def serving(network: Network) -> Iterator[int]:
    """Serve it on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            said = self.rfile.read(length)
            if len(said) < length:
                return  # whoever asked was killed in the middle of it
            asked = {k: v[0] for k, v in parse_qs(said.decode()).items()}
            if not self._believed():
                return
            one = re.search(r"/Calls/(\w+)\.json$", self.path)
            if one:
                self._ended(one[1], asked)
                return
            found = re.search(r"/(Messages|Calls)\.json$", self.path)
            assert found
            fault = network.befalls(found[1])
            if found[1] == "Messages" and network.texts_fail:
                network.count["text refused"] += 1
                self._answer(503, {"code": 20503, "message": "Service Unavailable"})
            elif fault == "429":
                self._answer(429, {"code": 20429, "message": "Too Many Requests"})
            elif fault == "500 before":
                self._answer(500, {"code": 20500, "message": "Internal Server Error"})
            elif fault == "hang":
                with network.working():
                    time.sleep(HANGS)
            else:
                made = network.make(found[1], asked)
                if fault == "500 after":
                    self._answer(500, {"code": 20500, "message": "Internal Server Error"})
                else:
                    self._answer(201, made.document())

        def do_GET(self) -> None:
            if not self._believed():
                return
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            if "/Recordings/" in parts.path:
                self._bytes(200, b"ID3" + bytes(400), "audio/mpeg")
                return
            one = re.search(r"/(?:Messages|Calls)/(\w+)\.json$", parts.path)
            if one:
                made = network.one(one[1])
                self._answer(*((200, made.document()) if made else (404, {"code": 20404, "message": ""})))
                return
            kind = "Messages" if "Messages" in parts.path else "Calls"
            listed = [each.document() for each in network.find(kind, query)]
            self._answer(200, {kind.lower(): listed, "next_page_uri": None})

        def _believed(self) -> bool:
            if not network.token:
                return True
            given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            if given.partition(":")[2] == network.token:
                return True
            network.count["401"] += 1
            self._answer(401, {"code": 20003, "message": "Authenticate"})
            return False

        def _ended(self, sid: str, asked: dict[str, str]) -> None:
            """A call of ours is to be hung up."""
            made = network.one(sid)
            if made is None:
                self._answer(404, {"code": 20404, "message": ""})
            elif made.status == "in-progress":
                made.status = "completed"
                self._answer(200, made.document())
            else:
                self._answer(400, {"code": 21220, "message": "Call is not in-progress"})

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            self._bytes(status, json.dumps(document).encode(), "application/json")

        def _bytes(self, status: int, body: bytes, kind: str) -> None:
            with suppress(OSError):  # whoever asked may have died
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        network.close()
