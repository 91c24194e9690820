"""The slow keyed hash under which a PIN is found.

    digest = HMAC-SHA256(pepper, argon2id(PIN, salt of the deployment))

One salt for all, so that a PIN alone finds its row: a check costs one slow hash whether it hits or
misses, however many customers there are. The pepper lives outside the database, so the rows alone
let nobody try PINs. A fast keyed hash was rejected: with the pepper, all 10^8 PINs would fall in
minutes. Later peppers wrap the earlier ones, HMAC(k2, HMAC(k1, …)), so the key of all rows can be
changed without knowing one PIN.

The only module that imports passlib.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from passlib.hash import argon2

from pins.settings import PinSettings

PARAMS_VERSION = 1


@dataclass(frozen=True)
class Digest:
    """What stands in a row for a PIN: 32 bytes, and under which keys and parameters."""

    value: bytes
    key_version: int
    params_version: int


class PinIndex:
    """Turns a PIN into the digests under which its row may stand.

    At most `slots` hashes run at once in a process, and `slots_for_known` more for callers whose
    number stands on a customer's file: a flood of junk calls then never queues before them. One hash
    takes 19 MiB; without a bound, 200 at once would take 4 GB and 4 s.
    """

    def __init__(self, settings: PinSettings) -> None:
        if not settings.peppers or not settings.salt.get_secret_value():
            raise ValueError("pins.peppers and pins.salt are needed to issue or check a PIN")
        self._peppers = [bytes.fromhex(p.get_secret_value()) for p in settings.peppers]
        self._hasher: Any = argon2.using(  # type: ignore[no-untyped-call]
            type="ID",
            memory_cost=settings.cost.memory_kib,
            time_cost=settings.cost.passes,
            parallelism=1,
            salt=bytes.fromhex(settings.salt.get_secret_value()),
        )
        self._slots = threading.BoundedSemaphore(settings.slots)
        self._known_slots = threading.BoundedSemaphore(settings.slots_for_known)

    def digests(self, pin: str, *, known_caller: bool = False) -> list[Digest]:
        """The digests of `pin`, the current key's first, then those of earlier keys.

        Costs one slow hash. Hold no database connection while it runs.
        """
        with self._slot(known_caller):
            # passlib keeps the raw digest as `checksum`; the text form is base64 of the same.
            value: bytes = self._hasher.from_string(self._hasher.hash(pin)).checksum
        found: list[Digest] = []
        for version, pepper in enumerate(self._peppers, start=1):
            value = hmac.new(pepper, value, hashlib.sha256).digest()
            found.insert(0, Digest(value, version, PARAMS_VERSION))
        return found

    @contextmanager
    def _slot(self, known_caller: bool) -> Iterator[None]:
        if known_caller and self._known_slots.acquire(blocking=False):
            try:
                yield
            finally:
                self._known_slots.release()
            return
        with self._slots:
            yield
