"""A ticket that is about nothing, to try out whether tickets arrive."""

from __future__ import annotations

from datetime import datetime

from console.settings import Configuration
from console.tickets import words
from console.tickets.facts import language_of
from console.tickets.payload import Happened, Ticket


def recipients(configuration: Configuration) -> list[list[str]]:
    """Where tickets go by e-mail: all that go together, each group once."""
    groups = [configuration.tickets.mail, *(each.tickets for each in configuration.number)]
    found: list[list[str]] = []
    for group in groups:
        if group and group not in found:
            found.append(group)
    return found


def ticket(configuration: Configuration, at: datetime, name: str) -> Ticket:
    """The test ticket; `name` is its id."""
    language, zone = language_of(configuration), configuration.zone
    made = Ticket(
        id=name,
        type="test",
        ticket="test",
        sequence=1,
        occurred_at=at,
        service=configuration.service.name,
        subject=words.heading(language, zone, company=configuration.service.name, about=""),
        text="",
        number=None,
        caller=None,
        call_back_to=None,
        customer=None,
        case=None,
        happened=Happened(),
        message=None,
    )
    return made.model_copy(update={"text": words.written(language, zone, made)})
