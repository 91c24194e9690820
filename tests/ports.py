"""Ports of this machine that a program which is started later may have.

A port that the system chose, found free and given back may be anybody's before that program listens: the
system chooses the same range for whoever connects to somewhere. These lie below that range, and two test
processes are never given the same one.
"""

from __future__ import annotations

import os
import socket
from itertools import count

LOWEST, HIGHEST = 20_000, 30_000
# Held as long as this process lives: a name that is a port's mark, on Linux without any file.
_marks: list[socket.socket] = []
_next = count(os.getpid() * 37)


def free_port() -> int:
    """A port on 127.0.0.1 on which nobody listens; nobody else who asks here gets it, either."""
    for number in _next:
        port = LOWEST + number % (HIGHEST - LOWEST)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0ivr-tests-port-{port}")
            with socket.create_server(("127.0.0.1", port)):
                pass
        except OSError:
            mark.close()
            continue
        _marks.append(mark)
        return port
    raise AssertionError("there is always a next number")


def nobody_listens() -> tuple[socket.socket, int]:
    """A port that is taken and on which nobody listens, as long as the socket is open."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port: int = taken.getsockname()[1]
    return taken, port
