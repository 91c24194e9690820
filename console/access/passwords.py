"""Passwords of console users: argon2id, salted. The other module beside `pins.index` that knows passlib."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from passlib.hash import argon2

# 64 MiB, 3 passes: about 0.15 s. What RFC 9106 recommends where memory is dear.
_HASH: Any = argon2.using(  # type: ignore[no-untyped-call]
    type="ID", memory_cost=65536, time_cost=3, parallelism=1
)
# Shorter ones would do for a machine's patience, since a second factor stands beside; people's ideas of
# eight letters are what guessers try first.
SHORTEST, LONGEST = 10, 200
# So many are computed at once: each takes 64 MiB, and anybody may ask for one.
_SLOTS = threading.BoundedSemaphore(2)
WAITS = 5.0
# What is checked for a user that does not exist, so that he takes as long as one who does.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


# What a guesser tries first, whatever figures and signs stand around it. What holds more than that is fine.
_COMMON = re.compile(
    "(my|la|mia|mein|the)?"
    "(p[a@]s+w[o0]r[dt]|parola|kennwort|q(wertz|werty)(uiop|uio|ui|u)?|asdfgh(jkl)?|[a@]dmin(istrator[e]?)?"
    "|w[e3]lc[o0]me|benvenut[oi]|willkommen|letmein|iloveyou|tiamo|changeme|cambiami|monkey|dragon|juventus"
    "|abcd?e?f?g?h?|secret|segreto|geheim)+(me|mia|in)?"
)


class Busy(Exception):
    """Too many passwords are being checked: ask again."""


class PasswordRefused(Exception):
    """Not good enough. `why` is short, long, name or simple."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def check_new(password: str, *names: str) -> None:
    """Raises PasswordRefused."""
    password = _one_form(password)
    if len(password) < SHORTEST:
        raise PasswordRefused("short")
    if len(password) > LONGEST:
        raise PasswordRefused("long")
    folded = password.casefold()
    if any(len(name) > 2 and name.casefold() in folded for name in names):
        raise PasswordRefused("name")
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)
    if len(set(folded)) < 5 or not core or _COMMON.fullmatch(core):
        raise PasswordRefused("simple")


def hashed(password: str) -> str:
    """What is kept of it. Raises Busy."""
    with _slot():
        return str(_HASH.hash(_one_form(password)))


def right(password: str, kept: str | None) -> bool:
    """Whether it is the one; takes the same time if there is none (`kept` is None). Raises Busy."""
    with _slot():
        found = bool(_HASH.verify(_one_form(password[: LONGEST + 1]), kept or _NOBODY))
    return found and kept is not None


def _one_form(password: str) -> str:
    """Keyboards and systems write the same accented letter in several ways: all of them are one password."""
    return unicodedata.normalize("NFKC", password)


@contextmanager
def _slot() -> Iterator[None]:
    if not _SLOTS.acquire(timeout=WAITS):
        raise Busy
    try:
        yield
    finally:
        _SLOTS.release()
