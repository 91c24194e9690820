"""Twilio's library for Node.js: `npm ci` in tests/conformance/node brings it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"
LIBRARY = NODE / "node_modules" / "twilio"


def node() -> str:
    """Node.js, once the library is there too. Else skips, or fails under REQUIRE_ALL=1."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found and LIBRARY.is_dir():
        return found
    install = "`npm ci` in tests/conformance/node"
    what = install if found else f"Node.js 18 or newer, and {install}"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")
