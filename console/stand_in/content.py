"""What the stand-in's document is made of: configuration and rota as they are now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from console.house import rules
from console.settings import Configuration
from ivr.prompts import Speaker
from ivr.standby import stand_in
from ivr.standby.stand_in import Person, Table
from oncall import people
from oncall.rota import rota_book
from webhooks.stand_in_document import render


@dataclass(frozen=True)
class Document:
    """`text` is what is published; the same facts give the same text and the same `digest`, all week long."""

    text: str
    table: Table

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def make_document(configuration: Configuration, connection: Connection, at: datetime) -> Document:
    """The document as of `at`."""
    known = rules(configuration)
    start = stand_in.begins(at)
    rotas = {ours.settings.rota for ours in known.numbers.values()}
    table = stand_in.make_table(
        known,
        {rota: rota_book.book(connection, rota, start, start + stand_in.COVERS) for rota in sorted(rotas)},
        {each.key: Person(each.phones, each.rings) for each in people.all_technicians(connection)},
        Speaker(configuration.service.name, configuration.zone, configuration.urgency),
        at,
    )
    return Document(render(stand_in.document(table)), table)
