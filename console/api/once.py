"""Requests that come twice: with the same idempotency key an act is done once, and answered alike again.

The answer stands in the transaction of the act, so there is none without the other. What an act answers
inside its transaction holds no PIN, so none is kept. Answers are kept for a day, and forgotten when a
customer is erased; the keys still count.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from console.tables import api_answers

KEPT = timedelta(days=1)


class AnsweredBefore(Exception):
    """It was done before; `answer` is what was said then."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__("this was done before")
        self.status, self.answer = status, answer


class AnswerForgotten(Exception):
    def __init__(self) -> None:
        super().__init__("this was done before under the same Idempotency-Key; what was answered is not kept")


class KeyOfAnother(Exception):
    def __init__(self) -> None:
        super().__init__("another request came under this Idempotency-Key: give each request its own")


@dataclass(frozen=True)
class Once:
    """One request of a token with an idempotency key. Both hashes say nothing without the key."""

    token_id: int
    key: str
    request: str

    @property
    def _mine(self) -> ColumnElement[bool]:
        return (api_answers.c.token_id == self.token_id) & (api_answers.c.key == self.key)

    def check(self, connection: Connection, at: datetime) -> None:
        """Raises AnsweredBefore, AnswerForgotten, KeyOfAnother."""
        row = connection.execute(select(api_answers).where(self._mine)).first()
        if row is None or row.at < at - KEPT:
            return
        if row.request != self.request:
            raise KeyOfAnother
        if row.answer is None:
            raise AnswerForgotten
        raise AnsweredBefore(row.status, row.answer)

    def claim(self, connection: Connection, at: datetime) -> None:
        """From here on it is ours; who comes with the same key waits for our commit. Raises as `check`."""
        self.check(connection, at)
        connection.execute(delete(api_answers).where(self._mine))
        new = {"token_id": self.token_id, "key": self.key, "request": self.request, "at": at, "status": 0}
        try:
            with connection.begin_nested():
                connection.execute(insert(api_answers).values(new))
        except IntegrityError:  # at this very instant, by the same program
            self.check(connection, at)
            raise

    def keep(self, connection: Connection, status: int, answer: dict[str, Any]) -> None:
        connection.execute(update(api_answers).where(self._mine).values(status=status, answer=answer))


def once(token_id: int, key: str, *request: bytes) -> Once:
    """`request` is what the request consists of."""
    hashed = hashlib.sha256(key.encode())
    return Once(
        token_id, hashed.hexdigest(), hashlib.sha256(b"\0".join((key.encode(), *request))).hexdigest()
    )


def forget(connection: Connection, at: datetime) -> None:
    """Remove what has been kept for a day."""
    connection.execute(delete(api_answers).where(api_answers.c.at < at - KEPT))


def forget_answers(connection: Connection) -> None:
    """Somebody is erased: no answer is kept, for he may stand in it."""
    connection.execute(update(api_answers).values(answer=None))
