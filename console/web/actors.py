"""Who did something, by name. Actors are `user:giulia`, `technician:anna via link`, `cli:root`,
`api:psa`, `ivr`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from console.tables import console_users
from console.web.words import Words
from oncall.tables import technicians


class Actors:
    """Names of whoever acts: console users, also those who were removed, and technicians. Two queries."""

    def __init__(self, users: Mapping[str, str], people: Mapping[str, str]) -> None:
        self._users, self._people = users, people

    def name(self, actor: str, words: Words) -> str:
        """How he is called. What no person did is told in words; somebody unknown keeps the name he has."""
        kind, _, rest = actor.partition(":")
        match kind:
            case "user":
                return self._users.get(rest, rest)
            case "technician":
                key = rest.partition(" via ")[0]
                return self._people.get(key, key)
            case "cli":
                return words("actors.cli", name=rest)
            case "api":
                return words("actors.api", name=rest)
            case _:
                return words("actors.service") if not rest else actor

    def person(self, key: str) -> str:
        """A technician's name."""
        return self._people.get(key, key)


def actors(connection: Connection, only: Iterable[str] | None = None) -> Actors:
    """Everybody who may have acted; `only` these actors, if there may be thousands of users."""
    users = select(console_users.c.name, console_users.c.full_name)
    if only is not None:
        names = {actor.partition(":")[2] for actor in only if actor.startswith("user:")}
        users = users.where(console_users.c.name.in_(names))
    people = select(technicians.c.key, technicians.c.name)
    return Actors(
        {row.name: row.full_name for row in connection.execute(users)},
        {row.key: row.name for row in connection.execute(people)},
    )
