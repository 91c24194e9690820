"""What we ask of Twilio, held against Twilio's own OpenAPI document by a server that validates requests.

The document and the server (Prism) come from npm: `npm ci` in tests/openapi brings them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from making import utc
from pydantic import SecretStr

from oncall.channels import CallOut, ChannelFailed, TextOut
from webhooks.outbound import RestTelephone, RestTexts
from webhooks.settings import TwilioSettings

HERE = Path(__file__).parent / "openapi"
PRISM = HERE / "node_modules/@stoplight/prism-cli/dist/index.js"
DOCUMENT = HERE / "node_modules/@twilio-alpha/mcp/twilio-oai/spec/json/twilio_api_v2010.json"
STARTS_WITHIN = 30  # seconds; it takes about one
USED = ("Calls.json", "Calls/{Sid}.json", "Messages.json", "Messages/{Sid}.json")

ACCOUNT, CALL, TEXT = "AC" + "1" * 32, "CA" + "2" * 32, "SM" + "3" * 32
AT = utc("2026-03-10 21:00")
CALL_OUT = CallOut(
    "+393331234501", "+390461825060", 25, "https://ivr.example.net/a", "https://ivr.example.net/e"
)
TEXT_OUT = TextOut("+393331234501", "+390461825060", "Chiamata P1+ da Acme", "https://ivr.example.net/s")


def node() -> str:
    """Node.js, once Prism and the document are there too."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found and PRISM.exists() and DOCUMENT.exists():
        return found
    what = "`npm ci` in tests/openapi" if found else "Node.js 18 or newer, and `npm ci` in tests/openapi"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")


def part_that_is_used(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the paths we ask alone: Prism reads it in a second rather than in ten."""
    paths = {
        path: value
        for path, value in document["paths"].items()
        if path.removeprefix("/2010-04-01/Accounts/{AccountSid}/") in USED
    }
    assert len(paths) == len(USED)
    schemas = document["components"]["schemas"]
    wanted: dict[str, Any] = {}
    missing = _named(paths)
    while missing:
        wanted |= {name: schemas[name] for name in missing}
        missing = _named(wanted) - wanted.keys()
    # Twilio's own examples of answers hold relative addresses where the document wants whole ones.
    # Prism checks what it answers too; what we ask is in `paths` and stays as it is.
    for method in ("get", "post"):
        for path in paths.values():
            _forget_addresses(path.get(method, {}).get("responses", {}))
    _forget_addresses(wanted)
    return {**document, "paths": paths, "components": {**document["components"], "schemas": wanted}}


def _named(part: object) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part)))


def _forget_addresses(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("format") == "uri":
            del part["format"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            _forget_addresses(each)


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prism's address. It ends with the module's tests."""
    program = node()
    folder = tmp_path_factory.mktemp("openapi")
    document = folder / "twilio.json"
    document.write_text(json.dumps(part_that_is_used(json.loads(DOCUMENT.read_text(encoding="utf-8")))))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "prism.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, str(PRISM), "mock", "--errors", "-h", "127.0.0.1", "-p", str(port), str(document)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "SCARF_ANALYTICS": "false"},
        )
        try:
            _wait_for(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"Prism did not start: {log.read_text(errors='replace')[-500:]}", pytrace=False)


def settings(base: str, account: str = ACCOUNT) -> TwilioSettings:
    tokens = [SecretStr("0123456789abcdef0123456789abcdef")]
    return TwilioSettings(account_sid=ACCOUNT, auth_tokens=tokens, api_base=base).model_copy(
        update={"account_sid": account}
    )


RIGHT: dict[str, Callable[[RestTelephone, RestTexts], object]] = {
    "a call is placed": lambda telephone, _: telephone.place(CALL_OUT),
    "a call is looked for": lambda telephone, _: telephone.find(CALL_OUT, AT),
    "a call is asked after": lambda telephone, _: telephone.status(CALL),
    "a call is hung up": lambda telephone, _: telephone.hang_up(CALL),
    "a text is sent": lambda _, texts: texts.send(TEXT_OUT),
    "a text is looked for": lambda _, texts: texts.find(TEXT_OUT, AT),
    "a text is asked after": lambda _, texts: texts.status(TEXT),
}


@pytest.mark.parametrize("ask", RIGHT.values(), ids=RIGHT.keys())
def test_what_we_ask_is_in_the_document(
    ask: Callable[[RestTelephone, RestTexts], object], prism: str
) -> None:
    ask(RestTelephone(settings(prism)), RestTexts(settings(prism)))


def test_what_is_answered_is_read(prism: str) -> None:
    """The document's own examples, as it has them."""
    assert RestTelephone(settings(prism)).place(CALL_OUT) == "CA" + "a" * 32
    assert RestTelephone(settings(prism)).status(CALL) in ("completed", "queued", "in-progress")
    assert RestTexts(settings(prism)).send(TEXT_OUT).startswith("SM")


def bent(**values: object) -> Callable[[str], RestTelephone]:
    """A telephone whose requests are changed on the way; None leaves a field out."""

    def telephone(base: str) -> RestTelephone:
        from webhooks.rest.line import OverHttp

        class Bending(OverHttp):
            def request(self, method: str, url: str, *args: Any, **more: Any) -> Any:
                data = {**(more.pop("data", None) or {}), **values}
                left = {name: value for name, value in data.items() if value is not None}
                return super().request(method, url, *args, data=left, **more)

        return RestTelephone(settings(base), Bending())

    return telephone


WRONG: dict[str, Callable[[str], object]] = {
    "no To": lambda base: bent(To=None)(base).place(CALL_OUT),
    "no From": lambda base: bent(From=None)(base).place(CALL_OUT),
    "another Method": lambda base: bent(Method="PATCH")(base).place(CALL_OUT),
    "a Timeout in words": lambda base: bent(Timeout="long")(base).place(CALL_OUT),
    "an address that is none": lambda base: bent(Url="not an address")(base).place(CALL_OUT),
    "a status that calls have not": lambda base: bent(Status="gone")(base).hang_up(CALL),
    "a message's sid": lambda base: RestTelephone(settings(base)).status(TEXT),
    "half a sid": lambda base: RestTexts(settings(base)).status(TEXT[:20]),
    "another account's sid": lambda base: RestTexts(settings(base, "SK" + "1" * 32)).send(TEXT_OUT),
}


@pytest.mark.parametrize("ask", WRONG.values(), ids=WRONG.keys())
def test_what_is_not_in_the_document_is_caught(ask: Callable[[str], object], prism: str) -> None:
    with pytest.raises(ChannelFailed, match="HTTP 422"):
        ask(prism)
