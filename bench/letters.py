"""What letters for many customers cost: against as many bare hashes and as many bare pages.

Customers without a PIN are issued one each with a letter, at the real cost of a hash.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import typst
from argon2.low_level import Type, hash_secret_raw
from pydantic import SecretStr
from results import Result, Spent

from console.outbound import letter_facts
from console.settings import load
from pins import batches, customers, letter_folder, letters
from pins.batches import Order, Workshop
from pins.index import PinIndex
from pins.letters import Letter
from pins.settings import DEFAULT_MEMORY_KIB, DEFAULT_PASSES, PinSettings
from storage import schema
from storage.engine import Database, open_database

ROOT = Path(__file__).parent.parent
GOAL = 1.5
CUSTOMERS, FEW_CUSTOMERS = 500, 30
ROWS = ("PINs with letters for many customers (CPU)",)
NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
TODAY = date(2026, 3, 10)
SALT = bytes(range(50, 66))
PAGE = '#set page(paper: "a4")\n#lorem(300)\n'


def spent(run: Callable[[], object]) -> Spent:
    """As in results.py, but of all threads: several hash, and the typesetter has its own."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def bare(count: int) -> None:
    for number in range(count):
        hash_secret_raw(
            f"{number:08d}".encode(), SALT, DEFAULT_PASSES, DEFAULT_MEMORY_KIB, 1, hash_len=32, type=Type.ID
        )
    for _ in range(count):
        typst.compile(PAGE.encode())


def issue(database: Database, folder: Path) -> int:
    """Issue whoever lacks one a PIN with a letter; returns how many."""
    configuration = load(ROOT / "config.example.toml", {})
    service = letter_facts.service(configuration)
    settings = PinSettings(peppers=[SecretStr(bytes(range(32)).hex())], salt=SecretStr(SALT.hex()))

    def render(written: Sequence[Letter]) -> bytes:
        return letters.render(written, service, configuration.letters, ROOT)

    shop = Workshop(
        database, PinIndex(settings), render, "bench", NOON, TODAY, TODAY, "it", hands=settings.slots
    )
    with letter_folder.opened(folder) as place:
        return sum(len(batch.issued) for batch in batches.issue_missing(shop, place, Order))


def measure(quick: bool) -> list[Result]:
    count = FEW_CUSTOMERS if quick else CUSTOMERS
    with tempfile.TemporaryDirectory() as name:
        database = open_database("sqlite:///bench.db", folder=Path(name))
        schema.migrate(database)
        with database.write() as connection:
            for number in range(count):
                customers.add_customer(
                    connection, "bench", NOON, f"Customer {number}", code=f"C{number}", language="it"
                )
        against = spent(lambda: bare(count))
        done: list[int] = []
        ours = spent(lambda: done.append(issue(database, Path(name) / "letters")))
        database.close()
    assert done == [count]
    for what, took in (("bare", against), ("ours", ours)):
        print(f"        {what}: {took.cpu:.1f} s of processor, {took.wall:.1f} s by the clock")
    return [Result(ROWS[0], ours.cpu / against.cpu, GOAL, f"{count} bare argon2id and {count} bare pages")]
