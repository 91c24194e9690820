"""The telephone network of a demonstration: on this machine alone, it rings nobody and says what it would do.

It answers what our REST client asks as Twilio would, so that the running service pursues a case and writes
to people, and whoever watches reads whom it would phone and what it would write: case links can be opened.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

LARGEST = 64 * 1024
_PLACED = re.compile(r"/2010-04-01/Accounts/AC[0-9a-f]{32}/(Calls|Messages)\.json")
_ONE = re.compile(r"/2010-04-01/Accounts/AC[0-9a-f]{32}/(Calls|Messages)/((?:CA|SM)[0-9a-f]{32})\.json")


def begin(port: int, tell: Callable[[str], None]) -> None:
    """Answer on `port` of this machine until the process ends; `tell` gets a line for each thing done."""

    class Network(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found = _PLACED.fullmatch(self.path.split("?")[0])
            length = int(self.headers.get("Content-Length") or 0)
            asked = parse_qs(self.rfile.read(min(length, LARGEST)).decode("utf-8", "replace"))
            to = asked.get("To", ["?"])[0]
            if found is None:
                self._answer(404, {"code": 20404, "message": "not found"})
            elif found[1] == "Calls":
                tell(f"It would phone {to} now; nobody picks up.")
                self._answer(201, {"sid": f"CA{secrets.token_hex(16)}", "status": "queued"})
            else:
                tell(f"It would text {to}:\n    {asked.get('Body', [''])[0]}")
                self._answer(201, {"sid": f"SM{secrets.token_hex(16)}", "status": "queued"})

        def do_GET(self) -> None:
            found = _ONE.fullmatch(self.path.split("?")[0])
            if found:
                status = "no-answer" if found[1] == "Calls" else "delivered"
                self._answer(200, {"sid": found[2], "status": status})
            else:
                self._answer(200, {"calls": [], "messages": []})

        def _answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """What is told is told above."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Network)
    threading.Thread(target=server.serve_forever, daemon=True).start()
