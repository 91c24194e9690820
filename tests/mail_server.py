"""A mail server on this machine, with TLS of an authority of its own: for what is sent in earnest."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from console.settings import MailSettings

# It would log whole messages.
logging.getLogger("mail.log").setLevel(logging.WARNING)

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()
USER, PASSWORD = "ivr", "not a secret"


@dataclass
class Post:
    """What the server got, and how it behaves. `recipient` and `data` are its answers to these."""

    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    logins: int = 0
    recipient: str = "250 OK"
    refuses: str = ""
    data: str = "250 taken"
    dies: bool = False

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"MAIL {address}")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"RCPT {address}")
        if self.refuses == address:
            return "550 5.1.1 no such user"
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.dies:
            assert server.transport is not None
            server.transport.abort()
            return "451 never heard"
        if self.data.startswith("250"):
            content = envelope.original_content or b""
            self.received.append(message_from_bytes(content, EmailMessage, policy=default))
            self.recipients.append(list(envelope.rcpt_tos))
        return self.data

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, how: str, data: object
    ) -> AuthResult:
        self.logins += 1
        right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=right)


@dataclass(frozen=True)
class Server:
    """A running server: how to reach it, and what came."""

    post: Post
    settings: MailSettings
    ca_file: Path


@contextmanager
def mail_server(
    folder: Path,
    *,
    security: str = "starttls",
    authority: trustme.CA = AUTHORITY,
    name: str = "localhost",
    offers_tls: bool = True,
    login: bool = False,
) -> Iterator[Server]:
    """A server whose certificate is `authority`'s, for `name`; AUTHORITY alone is believed."""
    ca_file = folder / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    post = Post()

    def protocol() -> SMTP:
        return SMTP(
            post,
            hostname="localhost",
            tls_context=context if security == "starttls" and offers_tls else None,
            authenticator=post.authenticate if login else None,
            auth_require_tls=security == "starttls",
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> asyncio.Server:
        wrapped = context if security == "tls" else None
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=wrapped)

    async def stop() -> None:
        listening.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    listening = asyncio.run_coroutine_threadsafe(start(), loop).result()
    port = listening.sockets[0].getsockname()[1]
    settings = MailSettings(
        host="localhost",
        port=port,
        security=security,  # type: ignore[arg-type]
        sender="Cloudfabric <ivr@cloudfabric.example>",
        ca_file=ca_file.name,
        user=USER if login else "",
        password=SecretStr(PASSWORD if login else ""),
    )
    try:
        yield Server(post, settings, ca_file)
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
