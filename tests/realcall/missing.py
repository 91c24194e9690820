"""What this machine lacks for a call with real sound, in one line."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys


def missing() -> str | None:
    """None if nothing is."""
    lacks = []
    if importlib.util.find_spec("pjsua2") is None:
        there_is = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 13)
        lacks.append(
            "pjsua2 (pip install pjsua2-python)"
            if there_is
            else "pjsua2, which has wheels for Python 3.11 and 3.12 on Linux, x86_64"
        )
    if shutil.which("espeak-ng") is None:
        lacks.append("espeak-ng")
    return " and ".join(lacks) or None
