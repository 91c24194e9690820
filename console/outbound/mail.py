"""E-mail out: letters to customers, alarms to admins, by the company's own mail server.

TLS is verified against the system's authorities, or against `mail.ca_file` alone; without it nothing is
said, not even who we are. What goes wrong is told in our own words: an error never carries a message, a
recipient or the server's text, for any of these may quote what a letter says.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path

from console.settings import MailSettings
from oncall.notices.channels import ChannelFailed

# Seconds without a word from the server, and for the whole of one message.
SILENCE = 10.0
AT_MOST = 25.0
_STATUS = re.compile(rb"\A([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")


class MailRefused(Exception):
    """The server will never take this message for this recipient; trying again is no use."""


class MailFailed(Exception):
    """It did not work this time: no server, no TLS that can be believed, a passing refusal."""


def compose(
    settings: MailSettings,
    at: datetime,
    to: list[str],
    subject: str,
    text: str,
    *,
    identity: str,
    answers: str | None = None,
    headers: Mapping[str, str] | None = None,
    attachment: tuple[str, bytes] | None = None,
) -> EmailMessage:
    """A message from us. `identity` makes the Message-ID, the same each time the same message is sent.

    `answers` is the identity of the message that this one answers, `headers` are further ones, `attachment`
    is the name of a PDF and its content. Raises ValueError for what is no address, and if a
    header would hold more than one line: nothing that comes from outside can add one.
    """
    name, sender = parseaddr(settings.sender)
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = Address(name, addr_spec=sender)
        message["To"] = [Address(addr_spec=each) for each in to]
    except (MessageError, ValueError, IndexError):  # their words quote it
        raise ValueError("not an address of e-mail") from None
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{identity}@{_domain(sender)}>"
    if answers is not None:
        message["In-Reply-To"] = message["References"] = f"<{answers}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    for header, value in (headers or {}).items():
        message[header] = value
    message.set_content(text)
    if attachment:
        file, content = attachment
        message.add_attachment(content, maintype="application", subtype="pdf", filename=file)
    return message


def send(settings: MailSettings, message: EmailMessage, to: list[str], folder: Path) -> list[str]:
    """Hand `message` to the server for the addresses `to`. `folder` is where `ca_file` is looked for.

    Returns the addresses it refused for ever while it took others. Raises MailRefused if it refuses all
    of them, or the message, for ever; MailFailed if it may be tried again. Takes AT_MOST seconds.
    """
    if not settings.host:
        raise MailFailed("mail.host is not configured")
    _, sender = parseaddr(settings.sender)
    with _in_our_words(), _connected(settings, folder) as server:
        return _refused(server.send_message(message, sender, to))


def try_out(settings: MailSettings, folder: Path) -> None:
    """Connect as for a message, log in, and send nothing. Raises MailFailed, within AT_MOST seconds."""
    if not settings.host:
        raise MailFailed("mail.host is not configured")
    try:
        with _in_our_words(), _connected(settings, folder) as server:
            server.noop()
    except MailRefused as refused:
        raise MailFailed(str(refused)) from None


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Whatever goes wrong with a server is raised as MailRefused or MailFailed."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        answers = list(error.recipients.values())
        if all(code >= 500 for code, _ in answers):
            raise MailRefused(f"the recipient is refused{_told(*answers[0])}") from None
        raise MailFailed(f"the recipient is not taken now{_told(*answers[0])}") from None
    except smtplib.SMTPDataError as error:
        kind = MailRefused if error.smtp_code >= 500 else MailFailed
        raise kind(f"the message is refused{_told(error.smtp_code, error.smtp_error)}") from None
    except smtplib.SMTPNotSupportedError:
        raise MailRefused("the server cannot write to such an address") from None
    except smtplib.SMTPResponseException as error:
        # Of our own making: the login, the sender. The letter may still go once that is mended.
        what = {smtplib.SMTPAuthenticationError: "the login", smtplib.SMTPSenderRefused: "the sender"}
        subject = what.get(type(error), "the connection")
        raise MailFailed(f"{subject} is refused{_told(error.smtp_code, error.smtp_error)}") from None
    except ssl.SSLCertVerificationError as error:
        raise MailFailed(f"the server's certificate is not believed: {error.verify_message}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailFailed(f"no mail server: {type(error).__name__}") from None
    except (MessageError, ValueError):
        raise MailRefused("the message or its recipient is malformed") from None


class HouseMail:
    """Brings notices by e-mail: `oncall.notices.channels.Mail`. `folder` is where `ca_file` is looked for."""

    def __init__(self, settings: MailSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def send(self, to: str, subject: str, text: str, identity: str, at: datetime) -> None:
        """Raises ChannelFailed. A message that was sent all the same has the same Message-ID again."""
        try:
            message = compose(self._settings, at, [to], subject, text, identity=identity)
            send(self._settings, message, [to], self._folder)
        except ValueError as why:
            raise ChannelFailed(str(why), for_good=True) from None
        except MailRefused as why:
            raise ChannelFailed(str(why), for_good=True) from None
        except MailFailed as why:
            raise ChannelFailed(str(why)) from None


# -- small parts -------------------------------------------------------------------------------


@contextmanager
def _connected(settings: MailSettings, folder: Path) -> Iterator[smtplib.SMTP]:
    """A server we may talk to: encrypted, believed, logged in. After AT_MOST seconds its socket is shut."""
    # Our own name is given, for looking it up may take long.
    where, ours = (settings.host, settings.port), _domain(parseaddr(settings.sender)[1])
    server: smtplib.SMTP
    if settings.security == "tls":
        context = _believed(settings, folder)
        server = smtplib.SMTP_SSL(*where, local_hostname=ours, timeout=SILENCE, context=context)
    else:
        server = smtplib.SMTP(*where, local_hostname=ours, timeout=SILENCE)
    limit = threading.Timer(AT_MOST, _shut, [server])
    limit.daemon = True
    limit.start()
    try:
        try:
            if settings.security == "starttls":
                server.starttls(context=_believed(settings, folder))
            if settings.user:
                server.login(settings.user, settings.password.get_secret_value())
        except smtplib.SMTPNotSupportedError:
            raise MailFailed("the server does not offer what is needed: TLS, or a login") from None
        yield server
        # What counts has been said: a farewell that fails changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        limit.cancel()
        server.close()


def _believed(settings: MailSettings, folder: Path) -> ssl.SSLContext:
    if settings.ca_file:
        return ssl.create_default_context(cafile=folder / settings.ca_file)
    return ssl.create_default_context()


def _shut(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        with suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)


def _refused(refused: dict[str, tuple[int, bytes]]) -> list[str]:
    return [address for address, (code, _) in refused.items() if code >= 500]


def _told(code: int, text: bytes | str) -> str:
    """The server's answer as far as it is a number: its words may quote us."""
    found = _STATUS.match(text if isinstance(text, bytes) else text.encode())
    return f" ({code}{' ' + found[1].decode() if found else ''})"


def _domain(address: str) -> str:
    domain = address.rpartition("@")[2]
    return domain if re.fullmatch(r"[A-Za-z0-9.-]+", domain) else "localhost"
