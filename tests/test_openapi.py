"""What we ask of Twilio, held against Twilio's own OpenAPI document by a server that validates requests.

The server is openapi_server.py's: documents and Prism come from npm, `npm ci` in tests/openapi brings them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from making import utc
from openapi_server import account_paths, available, node, served
from pydantic import SecretStr

from oncall.notices.channels import CallOut, ChannelFailed, TextOut
from webhooks.outbound import RestTelephone, RestTexts
from webhooks.settings import TwilioSettings

USED = ("Calls.json", "Calls/{Sid}.json", "Messages.json", "Messages/{Sid}.json")

ACCOUNT, CALL, TEXT = "AC" + "1" * 32, "CA" + "2" * 32, "SM" + "3" * 32
AT = utc("2026-03-10 21:00")
CALL_OUT = CallOut(
    "+393331234501", "+390461825060", 25, "https://ivr.example.net/a", "https://ivr.example.net/e"
)
TEXT_OUT = TextOut("+393331234501", "+390461825060", "Chiamata P1+ da Acme", "https://ivr.example.net/s")


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prism's address. It ends with the module's tests."""
    with served("twilio_api_v2010", account_paths(*USED), tmp_path_factory.mktemp("openapi")) as base:
        yield base


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


OTHERS = {
    "twilio_serverless_v1": "/v1/Services",
    "twilio_voice_v1": "/v1/DialingPermissions/Countries/{IsoCode}",
    "twilio_monitor_v1": "/v1/Alerts",
}


@pytest.mark.parametrize("document", OTHERS)
def test_other_documents_of_twilio_are_served(document: str, tmp_path: Path) -> None:
    path = OTHERS[document].replace("{IsoCode}", "IT")
    with served(document, [OTHERS[document]], tmp_path) as base:
        assert requests.get(base + path, auth=("AC", "key"), timeout=10).status_code == 200
        assert requests.get(base + "/v1/Nothing", auth=("AC", "key"), timeout=10).status_code == 404


def test_a_document_or_path_that_does_not_exist_is_said(tmp_path: Path) -> None:
    node()
    with pytest.raises(LookupError, match="twilio_monitor_v1"), served("twilio_moon_v1", [], tmp_path):
        pass
    colls = account_paths("Colls.json")
    with pytest.raises(LookupError, match="has no path"), served("twilio_api_v2010", colls, tmp_path):
        pass
    assert "twilio_api_v2010" in available()
