"""Mail goes out over TLS that is verified, or not at all; and no error quotes what it says."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import pytest
from mail_server import AUTHORITY, STRANGER, mail_server
from making import NIGHT
from ports import nobody_listens
from pydantic import ValidationError

from console.outbound import mail
from console.outbound.mail import MailFailed, MailRefused, compose, send
from console.settings import MailSettings

CANARY = "48120937"
TO = ["acme@example.net"]


def message(settings: MailSettings, to: list[str] = TO, subject: str = "Il Suo PIN") -> EmailMessage:
    return compose(
        settings, NIGHT, to, subject, f"È {CANARY}.\n", identity="m1", attachment=("a.pdf", b"%PDF")
    )


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_message_arrives_whole_over_verified_tls(tmp_path: Path, security: str) -> None:
    with mail_server(tmp_path, security=security, login=True) as server:
        assert send(server.settings, message(server.settings), TO, tmp_path) == []
    (got,) = server.post.received
    assert server.post.recipients == [TO]
    assert server.post.logins == 1
    assert got["From"] == "Cloudfabric <ivr@cloudfabric.example>"
    assert got["To"] == TO[0]
    assert got["Subject"] == "Il Suo PIN"
    assert got["Message-ID"] == "<m1@cloudfabric.example>"
    assert got["Date"].datetime == NIGHT.replace(microsecond=0)
    text, attached = got.iter_parts()
    assert text.get_content().strip() == f"È {CANARY}."
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_content() == b"%PDF"


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_cannot_be_believed_hears_nothing(tmp_path: Path, security: str, wrong: str) -> None:
    authority = STRANGER if wrong == "authority" else AUTHORITY
    name = "elsewhere.example" if wrong == "name" else "localhost"
    with (
        mail_server(tmp_path, security=security, authority=authority, name=name, login=True) as server,
        pytest.raises(MailFailed, match="certificate is not believed"),
    ):
        send(server.settings, message(server.settings), TO, tmp_path)
    assert (server.post.commands, server.post.logins) == ([], 0)


def test_the_systems_authorities_count_without_a_file(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        settings = server.settings.model_copy(update={"ca_file": ""})
        with pytest.raises(MailFailed, match="certificate is not believed"):
            send(settings, message(settings), TO, tmp_path)
    assert server.post.commands == []


def test_nothing_is_said_when_starttls_was_stripped(tmp_path: Path) -> None:
    with (
        mail_server(tmp_path, offers_tls=False) as server,
        pytest.raises(MailFailed, match="does not offer"),
    ):
        send(server.settings, message(server.settings), TO, tmp_path)
    assert server.post.commands == []


def test_a_wrong_password_is_ours_to_mend(tmp_path: Path) -> None:
    with mail_server(tmp_path, login=True) as server:
        settings = server.settings.model_copy(update={"user": "somebody"})
        with pytest.raises(MailFailed, match="login is refused"):
            send(settings, message(settings), TO, tmp_path)
    assert server.post.commands == []


@pytest.mark.parametrize(
    ("where", "answer", "kind"),
    [
        ("recipient", "550 5.1.1 no such user", MailRefused),
        ("recipient", "450 4.2.1 greylisted", MailFailed),
        ("data", "554 5.7.1 looks like spam", MailRefused),
        ("data", "451 4.3.0 try later", MailFailed),
    ],
)
def test_for_ever_or_for_now(tmp_path: Path, where: str, answer: str, kind: type[Exception]) -> None:
    with mail_server(tmp_path) as server:
        setattr(server.post, where, f"{answer}: {CANARY}")
        with pytest.raises(kind) as raised:
            send(server.settings, message(server.settings), TO, tmp_path)
    told = str(raised.value)
    assert " ".join(answer.split()[:2]) in told
    assert CANARY not in told
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_one_of_several_recipients_is_refused(tmp_path: Path) -> None:
    both = ["gone@example.net", "acme@example.net"]
    with mail_server(tmp_path) as server:
        server.post.refuses = "gone@example.net"
        assert send(server.settings, message(server.settings, both), both, tmp_path) == ["gone@example.net"]
    assert server.post.recipients == [["acme@example.net"]]


def test_a_server_that_dies_in_the_middle(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        server.post.dies = True
        with pytest.raises(MailFailed, match="no mail server"):
            send(server.settings, message(server.settings), TO, tmp_path)
    assert server.post.received == []


def test_a_server_that_trickles_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the whole never: the limit holds for the whole."""
    monkeypatch.setattr(mail, "AT_MOST", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        given_up = threading.Event()

        def trickle() -> None:
            with suppress(OSError):  # it gives up, on a busy machine before anybody listened
                peer, _ = listening.accept()
                with peer:
                    peer.sendall(b"220 hello\r\n")
                    while not given_up.wait(0.02):
                        peer.sendall(b"2")

        thread = threading.Thread(target=trickle)
        thread.start()
        settings = MailSettings(
            host="127.0.0.1", port=listening.getsockname()[1], security="none", sender="ivr@example.net"
        )
        try:
            with pytest.raises(MailFailed, match="no mail server"):
                send(settings, message(settings), TO, tmp_path)
        finally:
            given_up.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_no_server_at_all(tmp_path: Path) -> None:
    taken, port = nobody_listens()
    settings = MailSettings(host="127.0.0.1", port=port, security="none", sender="ivr@example.net")
    with taken, pytest.raises(MailFailed, match="ConnectionRefusedError"):
        send(settings, message(settings), TO, tmp_path)
    with pytest.raises(MailFailed, match=r"mail\.host"):
        send(MailSettings(sender="ivr@example.net"), message(settings), TO, tmp_path)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_no_header_can_be_added(end: str) -> None:
    settings = MailSettings(sender="ivr@example.net")
    evil = f"x@example.net{end}Bcc: thief@example.net"
    with pytest.raises(ValueError, match="linefeed"):
        message(settings, subject=f"PIN{end}Bcc: thief@example.net")
    for address in (evil, f"Evil{end} <x@example.net>", "x@example.net, thief@example.net"):
        with pytest.raises(ValueError, match=r"^not an address of e-mail$"):
            message(settings, to=[address])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"host": "mail.example.net", "sender": "ivr@x.it", "security": "none"}, "this machine only"),
        ({"host": "mail.example.net"}, "sender"),
        ({"host": "mail.example.net", "sender": "ivr"}, "sender"),
        ({"host": "mail.example.net", "sender": "ivr@x.it\nBcc: thief@x.it"}, "sender"),
        ({"host": "mail.example.net", "sender": "ivr@x.it", "user": "ivr"}, "password"),
    ],
)
def test_settings_that_would_be_unsafe_are_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MailSettings.model_validate(given)
