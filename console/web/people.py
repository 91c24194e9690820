"""Technicians as pages show them: by name, each in a colour that stays his. Never by colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from oncall.tables import technicians

COLOURS = 8


@dataclass(frozen=True)
class Person:
    """`colour` from 1 to COLOURS: the classes person-1 … of the style sheet. `initials` for narrow places."""

    key: str
    name: str
    colour: int

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


def people(connection: Connection) -> dict[str, Person]:
    """Everybody by key, those who have left included, in the order in which they came: one query."""
    rows = connection.execute(select(technicians.c.key, technicians.c.name).order_by(technicians.c.id))
    return {row.key: Person(row.key, row.name, i % COLOURS + 1) for i, row in enumerate(rows)}
