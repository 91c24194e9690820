"""The e-mail that brings a PIN, put into the outbox in the transaction that issues the PIN."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from sqlalchemy import Connection

from console.house import state_folder
from console.outbound import letter_facts, mail
from console.settings import Configuration
from pins import letters, outbox
from pins.letters import Letter, wants_email

ATTACHED = "PIN.pdf"


def outbox_folder(configuration: Configuration) -> Path:
    """Where letters wait to be sent, encrypted."""
    return state_folder(configuration) / "outbox"


def message_of(configuration: Configuration, letter: Letter, at: datetime) -> EmailMessage:
    """The whole e-mail: the letter as plain text, and as it would be on paper. Raises LetterRefused."""
    facts = letter_facts.service(configuration)
    subject, text = letters.plain(letter, facts, configuration.letters)
    page = letters.render([letter], facts, configuration.letters, configuration.folder)
    return mail.compose(
        configuration.mail,
        at,
        [letter.customer.email],
        subject,
        text,
        identity=f"letter-{secrets.token_hex(12)}",
        attachment=(ATTACHED, page),
    )


def post(
    configuration: Configuration, at: datetime
) -> Callable[[Letter], Callable[[Connection], None] | None]:
    """What writes the e-mail of a letter and returns what queues it; None for a customer who wants none.

    The first is done outside a transaction: it lays out a page and writes a file. Raises LetterRefused
    if no mail server is configured.
    """
    if not configuration.mail.host:
        raise letters.LetterRefused("mail.host is missing: no letter can be sent by e-mail")
    folder = outbox_folder(configuration)

    def write(letter: Letter) -> Callable[[Connection], None] | None:
        if not wants_email(letter.customer):
            return None
        sealed = outbox.seal(folder, message_of(configuration, letter, at).as_bytes())

        def queue(connection: Connection) -> None:
            outbox.queue(connection, at, sealed, pin_id=letter.pin_id, to=letter.customer.email)

        return queue

    return write
