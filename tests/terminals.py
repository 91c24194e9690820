"""Programs at a terminal of their own, as a person starts one, whatever the tests were started from.

Whoever starts the tests may have no terminal at all, and may pass on that signals are ignored or held back.
"""

from __future__ import annotations

import fcntl
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

# Makes its standard input the terminal of a session of its own, and becomes the program. Nothing of this runs
# in a copy of the test's own process: that one has threads.
_SITS_DOWN = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for each in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    signal.signal(each, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.execvp(sys.argv[1], sys.argv[1:])
"""


def opened(lines: int = 24, columns: int = 80) -> tuple[int, int]:
    """A terminal of that size: the person's end, and the program's."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return ours, its


def seated(
    its: int,
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    printed: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """The program `command` at the terminal whose other end is `its`. What it prints goes there too, or into
    `printed`.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SITS_DOWN, *command],
        stdin=its,
        stdout=printed or its,
        stderr=printed or its,
        cwd=cwd,
        env=dict(environment),
        start_new_session=True,
    )
