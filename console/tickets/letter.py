"""An event as an e-mail that a helpdesk puts into the right ticket: the first of a ticket begins a thread,
the others answer it, and all have the ticket's heading.
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage

from console.outbound import mail
from console.settings import Configuration
from console.tickets import words
from console.tickets.facts import language_of
from console.tickets.payload import Ticket

# Which event it is, for programs; the Message-ID says it as well.
ID_HEADER, TYPE_HEADER, TICKET_HEADER = "X-Ticket-Id", "X-Ticket-Type", "X-Ticket-Subject"


def addresses(configuration: Configuration, number: str | None) -> list[str]:
    """Where the tickets of a number of ours go by e-mail; None: of one that is not known any more."""
    own = next((each.tickets for each in configuration.number if each.number == number), None)
    return configuration.tickets.mail if own is None else own


def compose(
    configuration: Configuration,
    at: datetime,
    to: list[str],
    ticket: Ticket,
    thread: str,
    sound: bytes | None = None,
) -> EmailMessage:
    """The e-mail about an event; `thread` is the id of the first one. `sound` is the recording, as MP3."""
    text = ticket.text
    if sound is not None:
        text = words.written(language_of(configuration), configuration.zone, ticket, attached=True)
    first = ticket.id == thread
    message = mail.compose(
        configuration.mail,
        at,
        to,
        ticket.subject if first else f"Re: {ticket.subject}",
        text,
        identity=ticket.id,
        answers=None if first else thread,
        headers={ID_HEADER: ticket.id, TYPE_HEADER: ticket.type, TICKET_HEADER: ticket.ticket},
    )
    if sound is not None and ticket.message is not None:
        name = f"{ticket.message.recording}.mp3"
        message.add_attachment(sound, maintype="audio", subtype="mpeg", filename=name)
    return message
