"""Twilio's own OpenAPI documents, served by Prism: a server that refuses with 422 what is not in them.

Documents and server come from npm: `npm ci` in tests/openapi. A test module names the document and the paths
that its requests go to:

    @pytest.fixture(scope="module")
    def prism(tmp_path_factory):
        folder = tmp_path_factory.mktemp("openapi")
        with served("twilio_api_v2010", account_paths("Calls.json"), folder) as base:
            yield base

Prism keeps nothing: it answers each request with the document's example.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

HERE = Path(__file__).parent / "openapi"
PRISM = HERE / "node_modules/@stoplight/prism-cli/dist/index.js"
DOCUMENTS = HERE / "node_modules/@twilio-alpha/mcp/twilio-oai/spec/json"
ACCOUNT = "/2010-04-01/Accounts/{AccountSid}/"
STARTS_WITHIN = 120  # seconds; it takes about one
METHODS = ("get", "post", "put", "delete")


def node() -> str:
    """Node.js, once Prism and the documents are there too. Else skips, or fails under REQUIRE_ALL=1."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found and PRISM.exists() and DOCUMENTS.is_dir():
        return found
    what = "`npm ci` in tests/openapi" if found else "Node.js 18 or newer, and `npm ci` in tests/openapi"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")


def account_paths(*names: str) -> list[str]:
    """Paths of twilio_api_v2010 below the account: `Calls.json`, `Calls/{Sid}.json` …"""
    return [ACCOUNT + name for name in names]


def available() -> list[str]:
    """The names that `served` takes."""
    return sorted(path.stem for path in DOCUMENTS.glob("twilio_*.json"))


@contextmanager
def served(document: str, paths: Iterable[str], folder: Path) -> Iterator[str]:
    """The address of a Prism that serves these paths of `document` (twilio_serverless_v1 …) until the
    end of the block. Paths stand as in the document; `folder` is for its files.

    Raises LookupError for a document or a path that does not exist.
    """
    program = node()
    part = folder / f"{document}.json"
    part.write_text(json.dumps(part_that_is_used(document, list(paths))), encoding="utf-8")
    port = free_port()
    log = folder / f"{document}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, str(PRISM), "mock", "--errors", "-h", "127.0.0.1", "-p", str(port), str(part)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "SCARF_ANALYTICS": "false"},
        )
        try:
            _wait_for(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def part_that_is_used(name: str, wanted: Collection[str]) -> dict[str, Any]:
    """The document with these paths alone: Prism reads it in a second rather than in ten."""
    file = DOCUMENTS / f"{name}.json"
    if not file.exists():
        raise LookupError(f"no document {name}: there are {', '.join(available())}")
    document = json.loads(file.read_text(encoding="utf-8"))
    missing = set(wanted) - document["paths"].keys()
    if missing:
        raise LookupError(f"{name} has no path {', '.join(sorted(missing))}")
    paths = {path: value for path, value in document["paths"].items() if path in wanted}
    schemas = document["components"]["schemas"]
    kept: dict[str, Any] = {}
    named = _named(paths)
    while named:
        kept |= {each: schemas[each] for each in named}
        named = _named(kept) - kept.keys()
    # Twilio's own examples of answers hold relative addresses where the document wants whole ones, and
    # empty texts where it wants a sid. Prism checks what it answers too; what we ask stays as it is.
    for path in paths.values():
        for method in METHODS:
            _loosen(path.get(method, {}).get("responses", {}))
    _loosen(kept)
    return {**document, "paths": paths, "components": {**document["components"], "schemas": kept}}


def _named(part: object) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part)))


def _loosen(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("format") == "uri":
            del part["format"]
        if part.get("type") == "string":
            for limit in ("pattern", "minLength", "maxLength"):
                part.pop(limit, None)
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            _loosen(each)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"Prism did not start: {log.read_text(errors='replace')[-500:]}", pytrace=False)
