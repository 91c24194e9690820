"""The wire between a node and its database does what it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from faults.cluster import Wire
from faults.proxy import COMMIT

ANSWER = b"a long enough answer"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A wire to a server that answers every message."""
    name = str(tmp_path / "server")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(name)
        server.listen(16)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with closing(connection):
                while connection.recv(1024):
                    connection.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        wire = Wire(name)
        yield wire
        wire.close()
        server.shutdown(socket.SHUT_RDWR)


def connected(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=60)


def asked(connection: socket.socket, question: bytes = b"?") -> bytes:
    connection.sendall(question)
    return connection.recv(1024)


def test_passes(wire: Wire) -> None:
    with connected(wire) as one:
        assert asked(one) == ANSWER


def test_refuses_and_opens_again(wire: Wire) -> None:
    with connected(wire) as one:
        assert asked(one) == ANSWER
        assert wire.tell("refuse") == 1
        with pytest.raises(ConnectionResetError):
            asked(one)
    with pytest.raises(ConnectionRefusedError):
        connected(wire)
    wire.tell("open")
    with connected(wire) as two:
        assert asked(two) == ANSWER


def test_freezes_and_thaws(wire: Wire) -> None:
    with connected(wire) as one:
        assert asked(one) == ANSWER
        wire.tell("freeze")
        one.sendall(b"?")
        with connected(wire) as newcomer:
            newcomer.sendall(b"?")
            for each in (one, newcomer):
                each.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    each.recv(1024)
                each.settimeout(60)
            wire.tell("open")
            assert one.recv(1024) == newcomer.recv(1024) == ANSWER


def test_resets_whoever_is_connected(wire: Wire) -> None:
    with connected(wire) as one, connected(wire) as two:
        assert asked(one) == asked(two) == ANSWER
        assert wire.tell("reset") == 2
        with pytest.raises(ConnectionResetError):
            asked(one)
    with connected(wire) as three:
        assert asked(three) == ANSWER


def test_loses_the_answer_to_a_commit_alone(wire: Wire) -> None:
    wire.tell("lose")
    with connected(wire) as one:
        assert asked(one) == ANSWER
        with pytest.raises(ConnectionResetError):
            asked(one, COMMIT)
        assert wire.tell("count") == 1


def test_cuts_an_answer_off(wire: Wire) -> None:
    wire.tell("cut")
    with connected(wire) as one:
        one.sendall(b"?")
        came = bytearray()
        with pytest.raises(ConnectionResetError):
            drain(one, came)
        # An abort may overtake what was sent before it.
        assert ANSWER.startswith(came)
        assert len(came) < len(ANSWER)
        assert wire.tell("count") == 1


def drain(connection: socket.socket, into: bytearray) -> None:
    while piece := connection.recv(1024):
        into += piece
