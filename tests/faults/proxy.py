"""A wire between a node and PostgreSQL that can be cut: a process of its own.

    python tests/faults/proxy.py SOCKET PORT  # PostgreSQL's Unix socket; the port is printed when it listens

Told by lines on its standard input; each is answered by one line, the number of connections that felt it.

    open         from now on everything passes
    refuse       nobody is let in any more, whoever is connected is cut off
    freeze       whoever comes is let in, and nothing passes
    reset        whoever is connected is cut off; newcomers pass
    lose         the next COMMIT is passed on, and instead of its answer comes the end of the connection
    cut          the next answer to anything is cut off in its middle
    count        how often "lose" and "cut" have happened so far
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
from contextlib import suppress

PIECE = 1 << 16
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Pair:
    """A client and its connection to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.loses = False


class Proxy:
    def __init__(self, upstream: str, port: int) -> None:
        self._upstream = upstream
        self._selector = selectors.DefaultSelector()
        self._pairs: set[Pair] = set()
        self._waiting: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = port
        self._frozen = False
        self._armed = ""
        self._happened = 0
        self._listen()
        self._selector.register(sys.stdin, selectors.EVENT_READ, "told")

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data == "told":
                    line = sys.stdin.readline()
                    if not line:
                        return
                    sys.stdout.write(f"{self._told(line.strip())}\n")
                    sys.stdout.flush()
                elif key.fileobj is self._listener:
                    self._come()
                else:
                    pair: Pair = key.data
                    if pair in self._pairs:
                        self._pass(pair, key.fileobj)  # type: ignore[arg-type]

    # -- what it is told ---------------------------------------------------------------------------

    def _told(self, order: str) -> int:
        felt = len(self._pairs)
        match order:
            case "open":
                self._thaw()
                if self._listener is None:
                    self._listen()
            case "refuse":
                if self._listener is not None:
                    self._selector.unregister(self._listener)
                    self._listener.close()
                    self._listener = None
                self._thaw()
                self._end_all()
            case "freeze":
                self._frozen = True
                for pair in self._pairs:
                    self._ignore(pair)
            case "reset":
                self._end_all()
            case "lose" | "cut":
                self._armed = order
            case "count":
                return self._happened
        return felt

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, None)

    def _thaw(self) -> None:
        if not self._frozen:
            return
        self._frozen = False
        for pair in self._pairs:
            self._heed(pair)
        waiting, self._waiting = self._waiting, []
        for client in waiting:
            self._join(client)

    def _end_all(self) -> None:
        for pair in list(self._pairs):
            self._end(pair)

    # -- connections -------------------------------------------------------------------------------

    def _come(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        if self._frozen:
            self._waiting.append(client)
        else:
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._upstream)
        except OSError:
            server.close()
            _reset(client)
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server)
        self._pairs.add(pair)
        self._heed(pair)

    def _heed(self, pair: Pair) -> None:
        for end in (pair.client, pair.server):
            self._selector.register(end, selectors.EVENT_READ, pair)

    def _ignore(self, pair: Pair) -> None:
        for end in (pair.client, pair.server):
            with suppress(KeyError, ValueError):
                self._selector.unregister(end)

    def _end(self, pair: Pair) -> None:
        self._pairs.discard(pair)
        self._ignore(pair)
        _reset(pair.client)
        pair.server.close()

    def _pass(self, pair: Pair, come_from: socket.socket) -> None:
        try:
            piece = come_from.recv(PIECE)
            if not piece:
                self._end(pair)
                return
            if come_from is pair.client:
                if self._armed == "lose" and COMMIT in piece:
                    self._armed, pair.loses = "", True
                pair.server.sendall(piece)
                return
            if pair.loses:
                self._happened += 1
                self._end(pair)
                return
            if self._armed == "cut" and len(piece) > 8:
                self._armed = ""
                self._happened += 1
                pair.client.sendall(piece[: len(piece) // 2])
                self._end(pair)
                return
            pair.client.sendall(piece)
        except OSError:
            self._end(pair)


def _reset(connection: socket.socket) -> None:
    """Close it so that the other side is told of an abort, not of an end."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


if __name__ == "__main__":
    proxy = Proxy(sys.argv[1], int(sys.argv[2]))
    sys.stdout.write(f"{proxy.port}\n")
    sys.stdout.flush()
    proxy.run()
