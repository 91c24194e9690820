"""The certificate of the public address, shown by a real server: an alarm fourteen days before it ends."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from making import configuration, fresh_database
from ports import nobody_listens
from sqlalchemy import select

from console import certificate
from console.house import House
from storage.tables import due_work

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
NOW = datetime.now(UTC)


@contextmanager
def shown(authority: trustme.CA, ends: datetime) -> Iterator[int]:
    """A server on this machine that shows a certificate which ends then; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert("localhost", not_after=ends.replace(tzinfo=None))
    issued.configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:  # nobody looks any more
                return
            try:
                with plain, context.wrap_socket(plain, server_side=True) as tunnel:
                    tunnel.recv(1)
            except OSError:  # he did not believe it
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)  # closed alone, it would go on waiting
        thread.join()
        listening.close()


def told(tmp_path: Path, public_url: str, at: datetime = NOW) -> list[dict[str, object]]:
    """The alarms that a look raises."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    settings = configuration(tmp_path)
    service = settings.service.model_copy(update={"public_url": public_url})
    with fresh_database(tmp_path) as database:
        house = House(settings.model_copy(update={"service": service}), database)
        certificate.look(house, at, context)
        certificate.look(house, at + timedelta(hours=1), context)
        with database.read() as connection:
            return list(connection.execute(select(due_work.c.payload)).scalars())


@pytest.mark.parametrize(("days", "alarmed"), [(15, False), (13.9, True), (1, True)])
def test_the_admins_are_told_fourteen_days_ahead(tmp_path: Path, days: float, alarmed: bool) -> None:
    with shown(AUTHORITY, NOW + timedelta(days=days)) as port:
        found = told(tmp_path, f"https://localhost:{port}")
    assert [each["what"] for each in found] == (["certificate-ends"] if alarmed else [])


def test_one_that_has_ended_or_that_nobody_believes_is_told_of_too(tmp_path: Path) -> None:
    with shown(STRANGER, NOW + timedelta(days=300)) as port:
        (found,) = told(tmp_path, f"https://localhost:{port}")
    assert found["what"] == "certificate-refused"
    assert found["why"]


def test_where_nobody_answers_nothing_is_said_of_a_certificate(tmp_path: Path) -> None:
    taken, port = nobody_listens()
    with taken:
        assert told(tmp_path, f"https://localhost:{port}") == []
