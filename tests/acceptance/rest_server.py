"""Twilio's REST interface for text messages and calls, over real HTTP on this machine, with a memory.

`kill_at` names requests that are to be followed by a death: "before" the message is stored, "after" it was
stored and before it is answered, "answered" just after the answer. `died` is called then.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

Moment = Literal["before", "after", "answered"]


class Network:
    """What was asked of the network: `sent` holds each message or call as it was stored."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.sent: list[dict[str, Any]] = []
        self.kill_at: dict[int, Moment] = {}
        self.posts = 0
        self.died: Callable[[], None] = lambda: None
        self.something = threading.Event()
        self._lock = threading.Lock()

    def post(self, kind: str, asked: dict[str, str]) -> tuple[dict[str, Any], Moment | None]:
        with self._lock:
            self.posts += 1
            moment = self.kill_at.pop(self.posts, None)
            prefix = "SM" if kind == "Messages" else "CA"
            made = {
                "sid": f"{prefix}{self.posts:032x}",
                "kind": kind,
                "to": asked["To"],
                "from": asked["From"],
                "body": asked.get("Body"),
                "url": asked.get("Url"),
                "ended_at": asked.get("StatusCallback"),
                "status": "delivered" if kind == "Messages" else "in-progress",
                "direction": "outbound-api",
                "date_created": format_datetime(self.clock()),
            }
            if moment != "before":
                self.sent.append(made)
            self.something.set()
        return made, moment

    def find(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            each
            for each in self.sent
            if each["kind"] == kind and each["to"] == query.get("To") and each["from"] == query.get("From")
        ]


@contextmanager
def serving(network: Network) -> Iterator[int]:
    """Serve it on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
            found = re.search(r"/(Messages|Calls)\.json$", self.path)
            assert found
            made, moment = network.post(found[1], asked)
            if moment in ("before", "after"):
                network.died()
                return
            self._answer(201, made)
            if moment == "answered":
                network.died()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            one = re.search(r"/(?:Messages|Calls)/(\w+)\.json$", parts.path)
            if one:
                known = [each for each in network.sent if each["sid"] == one[1]]
                self._answer(200, known[0]) if known else self._answer(404, {"code": 20404, "message": ""})
                return
            kind = "Messages" if "Messages" in parts.path else "Calls"
            self._answer(200, {kind.lower(): network.find(kind, query), "next_page_uri": None})

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            with suppress(OSError):  # whoever asked may have died
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
