"""What an operation is given: the house, the instant, who asks, and the one way to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from console.access.tokens import Token
from console.api.once import Once
from console.api.shapes.common import Shape
from console.house import House
from console.outside import follow
from console.settings import Configuration

S = TypeVar("S", bound=Shape)


@dataclass(frozen=True)
class Asked:
    """One request. `once` if it brought an idempotency key; `status` is that of its success."""

    house: House
    at: datetime
    token: Token
    status: int
    once: Once | None = None

    @property
    def actor(self) -> str:
        return self.token.actor

    @property
    def configuration(self) -> Configuration:
        return self.house.configuration

    @property
    def zone(self) -> ZoneInfo:
        return self.configuration.zone

    @property
    def today(self) -> date:
        return self.at.astimezone(self.zone).date()

    def moment(self, at: datetime | None) -> datetime | None:
        """As it is answered: by the service's clocks, with their offset."""
        return None if at is None else at.astimezone(self.zone)

    def check_once(self) -> None:
        """Before costly work: raises what `Once.check` raises."""
        if self.once is not None:
            with self.house.database.read() as connection:
                self.once.check(connection, self.at)

    def write(self, act: Callable[[Connection], S]) -> S:
        """Do it in one transaction with the answer that is kept; the files that vouch for the database
        follow its commit. Raises what `act` and `Once.claim` raise; then nothing is written.
        """
        with self.house.database.write() as connection:
            if self.once is not None:
                self.once.claim(connection, self.at)
            answer = act(connection)
            if self.once is not None:
                self.once.keep(connection, self.status, answer.told())
        follow(self.house, self.at)
        return answer
