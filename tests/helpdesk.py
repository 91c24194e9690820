"""A helpdesk on this machine that takes webhooks: it believes only what is signed and holds each document
against the schema that stands in docs/.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from making import ROOT
from pydantic import SecretStr

from console.tickets.settings import TicketSettings

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SCHEMA = json.loads((ROOT / "docs" / "ticket.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


class Helpdesk(ThreadingHTTPServer):
    """What it got, each document once for each time it came; and how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.while_asked: Callable[[], object] = lambda: None
        self.scheme = "http"

    @property
    def settings(self) -> TicketSettings:
        address = SecretStr(f"{self.scheme}://localhost:{self.server_port}/hook?token=t")
        return TicketSettings(webhook=address, secrets=[SecretStr(SECRET)], language="en")

    @property
    def told(self) -> list[tuple[str, int, str]]:
        """Ticket, place and type of what it got, in the order in which it came."""
        return [(each["ticket"], each["sequence"], each["type"]) for each in self.got]


class _Handler(BaseHTTPRequestHandler):
    server: Helpdesk

    def do_POST(self) -> None:
        desk = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        desk.asked += 1
        desk.while_asked()
        if 200 <= desk.status < 300:
            document = json.loads(body)
            desk.wrong += [error.message for error in VALIDATOR.iter_errors(document)]
            if not self._believed(body):
                desk.wrong.append("signature")
            if document["id"] != self.headers["webhook-id"]:
                desk.wrong.append("another id in the header")
            desk.got.append(document)
        self.send_response(desk.status)
        for name, value in desk.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _believed(self, body: bytes) -> bool:
        """As docs/tickets.md tells receivers to look."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")

    def log_message(self, *told: object) -> None:
        pass


@contextmanager
def helpdesk(tls: ssl.SSLContext | None = None) -> Iterator[Helpdesk]:
    """A running one, over TLS if so asked. At its end nothing may have been wrong."""
    desk = Helpdesk()
    if tls is not None:
        desk.socket = tls.wrap_socket(desk.socket, server_side=True)
        desk.scheme = "https"
    thread = threading.Thread(target=desk.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield desk
    finally:
        desk.shutdown()
        thread.join()
        desk.server_close()
    assert desk.wrong == []
