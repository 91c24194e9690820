"""Other services are reached by apprise against a real server, and its silent refusals are heard; so is the
mail server's.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mail_server import Server, mail_server
from making import NIGHT, configuration
from pydantic import SecretStr

from console.outbound.channels import real_channels
from console.outbound.mail import HouseMail
from console.outbound.services import AppriseServices
from oncall.notices.channels import ChannelFailed

TOKEN = "verysecrettoken"
# apprise 2.2 imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Chat(ThreadingHTTPServer):
    """A server that takes messages as JSON, refuses them, or never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.open = threading.Event()
        self.open.set()

    @property
    def address(self) -> SecretStr:
        return SecretStr(f"json://user:{TOKEN}@127.0.0.1:{self.server_port}/chat")


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(content)))
        self.server.open.wait(60)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.open.set()
    server.shutdown()
    thread.join()
    server.server_close()


def failure(services: AppriseServices, name: str) -> ChannelFailed:
    with pytest.raises(ChannelFailed) as raised:
        services.send(name, "subject", "text")
    return raised.value


def test_a_message_arrives_as_it_is(chat: Chat) -> None:
    AppriseServices({"chat": chat.address}).send("chat", "Nessuno ha risposto", "P1+ <Acme> & *figli*")
    ((path, said),) = chat.got
    assert path == "/chat"
    assert (said["title"], said["message"]) == ("Nessuno ha risposto", "P1+ <Acme> & *figli*")


def test_a_refusal_is_heard(chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chat.status = 500
    failed = failure(AppriseServices({"chat": chat.address}), "chat")
    assert (failed.for_good, failed.maybe_done) == (False, False)
    assert len(chat.got) == 1
    assert TOKEN not in caplog.text + failed.why


@pytest.mark.parametrize("address", ["nonsense", "json://", "gopher://example.net", ""])
def test_an_address_that_is_not_understood_is_refused_for_good(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    failed = failure(AppriseServices({"chat": SecretStr(address)}), "chat")
    assert failed.for_good
    assert not address or address not in caplog.text


def test_an_unknown_name_is_refused_for_good(chat: Chat) -> None:
    assert failure(AppriseServices({"chat": chat.address}), "other").for_good
    assert chat.got == []


def test_a_server_that_does_not_answer_costs_no_more_than_the_limit(chat: Chat) -> None:
    chat.open.clear()
    failed = failure(AppriseServices({"chat": chat.address}, at_most=0.5), "chat")
    assert (failed.maybe_done, failed.for_good) == (True, False)


def test_nobody_listens_there(chat: Chat) -> None:
    failed = failure(AppriseServices({"chat": SecretStr("json://127.0.0.1:1/x")}), "chat")
    assert not failed.for_good


def test_what_is_configured_is_joined(chat: Chat, tmp_path: Path) -> None:
    was = configuration(tmp_path)
    notices = was.notices.model_copy(update={"services": {"chat": chat.address}})
    services = real_channels(was.model_copy(update={"notices": notices})).services
    assert services is not None
    services.send("chat", "a", "b")
    assert len(chat.got) == 1
    assert real_channels(was).services is None
    assert real_channels(was).mail is None


# -- e-mail ------------------------------------------------------------------------------------


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Server]:
    with mail_server(tmp_path) as server:
        yield server


def house_mail(server: Server, folder: Path) -> HouseMail:
    return HouseMail(server.settings, folder)


def test_a_notice_goes_by_mail_under_the_same_name_each_time(post: Server, tmp_path: Path) -> None:
    mail = house_mail(post, tmp_path)
    for _ in range(2):
        mail.send("anna@example.net", "Prova", "È una prova.\n", "notice-17-1", NIGHT)
    first, second = post.post.received
    assert first["To"] == "anna@example.net"
    assert first.get_content().strip() == "È una prova."
    assert first["Message-ID"] == second["Message-ID"] == "<notice-17-1@cloudfabric.example>"


@pytest.mark.parametrize(
    ("recipient", "data", "for_good"),
    [
        ("550 5.1.1 no such user", "250 OK", True),
        ("451 4.3.0 not now", "250 OK", False),
        ("250 OK", "554 5.7.1 never", True),
        ("250 OK", "452 4.3.1 full", False),
    ],
)
def test_what_the_mail_server_says(
    post: Server, tmp_path: Path, recipient: str, data: str, for_good: bool
) -> None:
    post.post.recipient, post.post.data = recipient, data
    with pytest.raises(ChannelFailed) as raised:
        house_mail(post, tmp_path).send("anna@example.net", "a", "b", "c", NIGHT)
    assert raised.value.for_good is for_good
    assert "anna" not in raised.value.why


@pytest.mark.parametrize("to", ["nobody", "a@b\nBcc: c@d", ""])
def test_what_is_no_address_is_refused_for_good(post: Server, tmp_path: Path, to: str) -> None:
    with pytest.raises(ChannelFailed) as raised:
        house_mail(post, tmp_path).send(to, "a", "b", "c", NIGHT)
    assert raised.value.for_good
    assert post.post.received == []
