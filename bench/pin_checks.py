"""What a PIN check costs: against one bare hash, whatever comes of it, and however many PINs there are.

Checks come through the webhook door, signed, at the real cost of a hash. The peer at scale is the usual loop:
each PIN under a salt of its own, tried one after the other. PostgreSQL is measured where its programs are.
"""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import postgres
from argon2.low_level import Type, hash_secret_raw
from making import ROOT
from results import Result, Spent, draw, in_turns, spent
from sqlalchemy import delete, insert, text

from console.demonstration import cast
from console.house import pin_index
from console.phone import Exchange, Reply, WsgiDoor
from console.rehearsing.rehearsal import ACTOR, PUBLIC_URL, Rehearsal
from console.settings import load
from ivr import journal
from pins import customers, registry, throttle
from pins.index import PinIndex
from pins.settings import HashCost
from pins.tables import pin_tries
from pins.throttle import Lane
from storage.tables import due_work

MANY = 1_000_000
# The cast has four of its own.
FEW = 6
# Points of the curve between the two.
BETWEEN = (1_000, 100_000)
# Customers of the usual loop: more would take too long.
LOOPED = 100
# Checks of each kind; and in short.
CHECKS, FEW_CHECKS = 300, 12
# A PIN is asked; each call comes a day after the one before, so that no miss is remembered.
EVENING = datetime(2026, 1, 7, 20, 0, tzinfo=UTC)
# On nobody's file.
CALLER, LINE = "+393471119999", "+390461825060"
HIT, MISS, REVOKED, EXPIRED, UNREAD = "hit", "miss", "revoked", "expired", "not evaluated"
KINDS = (HIT, MISS, REVOKED, EXPIRED, UNREAD)
ONE, LOOP = "one PIN check (CPU)", "a wrong PIN, checked (CPU)"
KIND_CPU, KIND_WALL = "PIN turn of the slowest kind (CPU)", "PIN turn of the slowest kind (wall)"
SQLITE = {kind: f"PIN turn, {kind}, 1,000,000 live PINs, SQLite (CPU)" for kind in (HIT, MISS)}
POSTGRESQL = {kind: f"PIN turn, {kind}, 1,000,000 live PINs, PostgreSQL (wall)" for kind in (HIT, MISS)}
ROWS = (ONE, LOOP, KIND_CPU, KIND_WALL, *SQLITE.values(), *POSTGRESQL.values())
# What the journal says of each, so that nothing else is measured.
HEARD = {
    HIT: "the PIN of ACME",
    MISS: "a wrong PIN (unknown)",
    REVOKED: "a wrong PIN (revoked)",
    EXPIRED: "a wrong PIN (expired)",
    UNREAD: "a wrong PIN (not evaluated)",
}
# Neither drawn (it is a run) nor therefore ever issued.
NOBODYS = "12345678"

# As many rows as wanted, made by the database itself.
FILL = {
    "sqlite": """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
        INSERT INTO pins
            (customer_id, label, digest, key_version, params_version, length, issued_at, issued_by)
        SELECT :owner, '', randomblob(32), 1, 1, 8, '2026-01-06 12:00:00.000000', 'bench' FROM n""",
    "postgresql": """
        INSERT INTO pins
            (customer_id, label, digest, key_version, params_version, length, issued_at, issued_by)
        SELECT :owner, '', sha256(convert_to(i::text, 'UTF8')), 1, 1, 8, now(), 'bench'
        FROM generate_series(1, :rows) i""",
}


class Timed(WsgiDoor):
    """Notes what the latest request cost."""

    last = Spent(0, 0)

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        replies: list[Reply] = []
        self.last = spent(lambda: replies.append(WsgiDoor.post(self, url, form, headers)))
        return replies[0]


class House:
    """A rehearsal at the real cost of a hash, with `rows` synthetic PINs beside the cast's."""

    def __init__(self, rows: int, database_url: str = "sqlite:///rehearsal.db") -> None:
        configuration = load(ROOT / "config.example.toml", {})
        real = configuration.rehearsal.model_copy(update={"cost": HashCost()})
        self.rehearsal = Rehearsal(
            configuration.model_copy(update={"rehearsal": real}),
            EVENING,
            source=random.Random(1),
            database_url=database_url,
        )
        self.database = self.rehearsal.house.database
        cast.enter(self.rehearsal.house, ACTOR, EVENING - timedelta(days=1))
        self.index = pin_index(self.rehearsal.configuration)
        self.pins = {MISS: NOBODYS, **{kind: self._issue(kind) for kind in (HIT, REVOKED, EXPIRED)}}
        # Right, and all the same of no use.
        self.pins[UNREAD] = self.pins[HIT]
        self._fill(rows)
        self.door = Timed(self.rehearsal.app)
        self.exchange = Exchange(
            self.door,
            public_url=PUBLIC_URL,
            account_sid=self.rehearsal.account_sid,
            auth_token=self.rehearsal.auth_token,
            clock=self.rehearsal.clock,
            owned=self.rehearsal.configuration.our_numbers,
        )
        self.day = 0

    def check(self, kind: str) -> Spent:
        """What the turn costs in which a PIN of this kind is keyed, in a call of its own."""
        self.day += 1
        at = self.rehearsal.clock.set(EVENING + timedelta(days=self.day))
        with self.database.write() as connection:
            connection.execute(delete(due_work))  # the alarm at a revoked PIN is always the first
            if kind == UNREAD:
                misses = [{"at": at, "number": CALLER, "lane": Lane.SHARED.value, "cleared": False}]
                connection.execute(insert(pin_tries), misses * throttle.UNKNOWN_HOUR)
        call = self.exchange.ring(CALLER, LINE)
        call.press(self.pins[kind])
        cost = self.door.last
        with self.database.read() as connection:
            heard = journal.turns_of(connection, call.sid)[-1].heard
        assert heard == HEARD[kind], f"{kind}: {heard}"
        call.hang_up()
        return cost

    def look_ups(self) -> dict[str, Callable[[], object]]:
        """What the database is asked for a check, one by one."""
        digests = self.index.digests(self.pins[HIT])
        at = EVENING

        def reading(ask: Callable[..., object], *what: object) -> Callable[[], object]:
            def run() -> object:
                with self.database.read() as connection:
                    return ask(connection, *what)

            return run

        def standing() -> object:
            with self.database.write() as connection:
                return throttle.standing(connection, at, CALLER)

        return {
            "find_pin": reading(registry.find_pin, digests),
            "longest_live": reading(registry.longest_live),
            "customer_of_phone": reading(customers.customer_of_phone, CALLER),
            "throttle.standing": standing,
        }

    def _issue(self, kind: str) -> str:
        new = registry.draw(self.index, 8)
        expires = date(2026, 1, 1) if kind == EXPIRED else None
        with self.database.write() as connection:
            pin_id = registry.issue(connection, ACTOR, EVENING, "ACME", new, expires=expires)
            if kind == REVOKED:
                registry.revoke(connection, ACTOR, EVENING, pin_id, "bench")
        return new.pin

    def _fill(self, rows: int) -> None:
        with self.database.write() as connection:
            owner = customers.customer(connection, "MELE").id
            connection.execute(text(FILL[connection.dialect.name]), {"rows": rows, "owner": owner})
            if connection.dialect.name == "postgresql":  # as its own housekeeping would
                connection.execute(text("ANALYZE pins"))


def against_bare_hashes(house: House, runs: int) -> list[Result]:
    """The hash with all that belongs to a check but the conversation, and the hash alone; once, and once for
    each of many customers, as a loop over salted hashes needs it for a PIN that is nobody's.
    """
    cost, salts = HashCost(), [secrets.token_bytes(16) for _ in range(LOOPED)]
    index: PinIndex = house.index

    def hashed(salt: bytes) -> bytes:
        return hash_secret_raw(
            NOBODYS.encode(), salt, cost.passes, cost.memory_kib, parallelism=1, hash_len=32, type=Type.ID
        )

    def check() -> object:
        digests = index.digests(NOBODYS)
        with house.database.read() as connection:
            return registry.find_pin(connection, digests)

    costs = in_turns({"bare": lambda: hashed(salts[0]), "check": check}, runs)
    loop = spent(lambda: [hashed(salt) for salt in salts])
    return [
        Result(ONE, costs["check"].cpu / costs["bare"].cpu, 1.1, "one bare argon2id"),
        Result(
            LOOP,
            costs["check"].cpu / loop.cpu,
            2 / LOOPED,
            f"the usual loop over the salted hashes of {LOOPED} customers",
        ),
    ]


def whatever_comes_of_it(house: House, runs: int) -> list[Result]:
    """Whether the time of the turn tells a hit, a miss, a revoked, an expired PIN or one not evaluated."""
    costs = in_turns({kind: lambda kind=kind: house.check(kind) for kind in KINDS}, runs)  # type: ignore[misc]
    for kind, cost in costs.items():
        print(f"        {kind}: {cost.cpu * 1e3:.2f} ms of CPU, {cost.wall * 1e3:.2f} ms")
    against = f"the fastest of {', '.join(KINDS)}"
    cpu, wall = [cost.cpu for cost in costs.values()], [cost.wall for cost in costs.values()]
    return [
        Result(KIND_CPU, max(cpu) / min(cpu), 1.05, against),
        Result(KIND_WALL, max(wall) / min(wall), 1.05, against),
    ]


def however_many(names: dict[str, str], houses: dict[int, House], runs: int, *, cpu: bool) -> list[Result]:
    """The PIN turn in the largest house and in the smallest. `cpu`: the database works in this process."""
    fewest, most = houses[min(houses)], houses[max(houses)]
    for what, ask in most.look_ups().items():
        cost = in_turns({"few": fewest.look_ups()[what], "many": ask}, 20)
        print(f"        {what}: {cost['few'].wall * 1e3:.2f} → {cost['many'].wall * 1e3:.2f} ms")
    results = []
    for kind, name in names.items():
        turns = {str(rows): lambda house=house: house.check(kind) for rows, house in houses.items()}  # type: ignore[misc]  # noqa: B023
        costs = {int(rows): cost.cpu if cpu else cost.wall for rows, cost in in_turns(turns, runs).items()}
        results.append(Result(name, costs[max(costs)] / costs[min(costs)], 1.1, "10"))
        if cpu and kind == HIT:
            draw(
                "a PIN turn", "live PINs", {rows + len(cast.CUSTOMERS): each for rows, each in costs.items()}
            )
    return results


@contextmanager
def opened(rows: int, database_url: str = "sqlite:///rehearsal.db") -> Iterator[House]:
    house = House(rows, database_url)
    try:
        yield house
    finally:
        house.rehearsal.close()


@contextmanager
def postgresql_databases() -> Iterator[tuple[str, str] | None]:
    """Two empty databases on a throwaway server; None where PostgreSQL is missing."""
    with tempfile.TemporaryDirectory(prefix="ivr-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            server = postgres.start(folder)
        except postgres.Missing as missing:
            print(f"        left out: {missing}")
            yield None
            return
        try:
            postgres._run(postgres.address(folder), "CREATE DATABASE few", "CREATE DATABASE many")
            yield postgres.address(folder, "few"), postgres.address(folder, "many")
        finally:
            postgres.stop(server)


def measure(quick: bool) -> list[Result]:
    runs = FEW_CHECKS if quick else CHECKS
    found = []
    with ExitStack() as stack:
        houses = {rows: stack.enter_context(opened(rows)) for rows in (FEW, *BETWEEN, MANY)}
        found += against_bare_hashes(houses[FEW], runs)
        found += whatever_comes_of_it(houses[FEW], runs)
        found += however_many(SQLITE, houses, runs // 3, cpu=True)
    with postgresql_databases() as addresses, ExitStack() as stack:
        if addresses:
            few, many = addresses
            houses = {
                FEW: stack.enter_context(opened(FEW, few)),
                MANY: stack.enter_context(opened(MANY, many)),
            }
            found += however_many(POSTGRESQL, houses, runs // 3, cpu=False)
    return found
