"""The slow keyed hash under which a PIN is found.

    digest = HMAC-SHA256(pepper, argon2id(PIN, salt of the deployment))

One salt for all, so that a PIN alone finds its row: a check costs one slow hash whether it hits or
misses, however many customers there are. The pepper lives outside the database, so the rows alone
let nobody try PINs. A fast keyed hash was rejected: with the pepper, all 10^8 PINs would fall in
minutes. Later peppers wrap the earlier ones, HMAC(k2, HMAC(k1, …)), so the key of all rows can be
changed without knowing one PIN. The cost of the hash cannot: while PINs live that were issued under
a former cost, a check costs that hash too, whatever is keyed, so that its time tells nothing.

The only module that imports passlib, beside console.access.passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from passlib.hash import argon2

from pins.settings import HashCost, PinSettings

# Callers not known by number who wait for each slot, at most.
WAIT_FOR_A_SLOT = 2


class Busy(Exception):
    """Too many slow hashes are running, and none ended in time: nothing was hashed, ask again."""


@dataclass(frozen=True)
class Digest:
    """What stands in a row for a PIN: 32 bytes, and under which keys and parameters."""

    value: bytes
    key_version: int
    params_version: int


def wrap(peppers: Sequence[bytes], value: bytes, key_version: int = 0) -> bytes:
    """`value`, which stands under the first `key_version` of `peppers`, put under all of them."""
    for pepper in peppers[key_version:]:
        value = hmac.new(pepper, value, hashlib.sha256).digest()
    return value


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
        salt = bytes.fromhex(settings.salt.get_secret_value())
        self._hashers = {
            cost.version: _hasher(cost, salt) for cost in (settings.cost, *settings.former_costs)
        }
        self._slots = _Slots(settings.slots, settings.slots_for_known)

    def digests(self, pin: str, *, known_caller: bool = False, patience: float | None = None) -> list[Digest]:
        """The digests of `pin`, the one under which it would be issued today first: the current cost
        before former ones, and of each cost the newest key before earlier ones.

        Costs one slow hash for each cost in force. Hold no database connection while it runs. Raises
        Busy if it could not begin within `patience` seconds; None waits for ever.
        """
        with self._slots.one(known_caller, patience):
            # passlib keeps the raw digest as `checksum`; the text form is base64 of the same.
            hashed: dict[int, bytes] = {
                version: hasher.from_string(hasher.hash(pin)).checksum
                for version, hasher in self._hashers.items()
            }
        return [
            Digest(wrap(self._peppers[:key_version], value), key_version, params_version)
            for params_version, value in hashed.items()
            for key_version in range(len(self._peppers), 0, -1)
        ]


def _hasher(cost: HashCost, salt: bytes) -> Any:
    return argon2.using(  # type: ignore[no-untyped-call]
        type="ID", memory_cost=cost.memory_kib, time_cost=cost.passes, parallelism=1, salt=salt
    )


class _Slots:
    """Bounds how many hash at once. A caller known by number takes a slot of that kind first, which
    leaves the others to the rest, and of those that wait is served by whichever is free first.

    Of the rest only so many wait that have patience: each holds a thread of the service, which a flood of
    them would take from everybody else.
    """

    def __init__(self, common: int, known: int) -> None:
        self._changed = threading.Condition()
        self._common = common
        self._known = known
        self._strangers, self._most_strangers = 0, common * WAIT_FOR_A_SLOT

    @contextmanager
    def one(self, known_caller: bool, patience: float | None) -> Iterator[None]:
        with self._changed:
            queues = patience is not None and not known_caller and self._common == 0
            if queues and self._strangers >= self._most_strangers:
                raise Busy
            self._strangers += queues
            try:
                free = self._changed.wait_for(
                    lambda: self._common > 0 or (known_caller and self._known > 0), patience
                )
            finally:
                self._strangers -= queues
            if not free:
                raise Busy
            own = known_caller and self._known > 0
            self._take(own, 1)
        try:
            yield
        finally:
            with self._changed:
                self._take(own, -1)
                # All: the first in line may not be one whom this slot may serve.
                self._changed.notify_all()

    def _take(self, own: bool, count: int) -> None:
        if own:
            self._known -= count
        else:
            self._common -= count
