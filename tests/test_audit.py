"""Whoever edits, removes, moves or forges an act of the audit log is found, at the right row."""

from __future__ import annotations

import copy
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from making import ACTOR, NIGHT, ROOT, fresh_database, opened_at
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from console.rehearsing.rehearsal import Rehearsal
from storage import audit
from storage.audit import Fault, Head
from storage.engine import Database
from storage.tables import audit as audit_table
from storage.tables import audit_details

ACTS = 30
ERASED, ERASER, ITS_REASON = 7, 21, 20
Row = dict[str, Any]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


@pytest.fixture
def written(database: Database) -> Database:
    """Thirty acts, one of them with erased details."""
    with database.write() as connection:
        write(connection)
    return database


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with fresh_database(tmp_path_factory.mktemp("audit")) as database:
        with database.write() as connection:
            write(connection)
        yield database


def write(connection: Connection) -> None:
    def one(number: int) -> int:
        return audit.record(
            connection,
            f"cli:{'rita' if number % 3 else 'Jörg'}",
            NIGHT + timedelta(seconds=number, microseconds=137 * (number % 4)),
            ("pin.issue", "customer.change", "rota.override")[number % 3],
            f"customer:{number}",
            reason="richiesto dal cliente «Malga Fosca»" if number % 2 else None,
            details={"name": ["Acme", f"Acme {number}"], "minutes": number, "nothing": None},
        )

    for number in range(1, ITS_REASON):
        assert one(number) == number
    by = audit.record(connection, ACTOR, NIGHT, "customer.erase", f"customer:{ERASED}")
    assert (by, audit.erase_details(connection, [ERASED], by)) == (ITS_REASON, 1)
    for number in range(ERASER + 1, ACTS + 1):
        assert one(number) == number


# -- the log as somebody with the database in his hands sees it ----------------------------------


def stored(connection: Connection) -> list[Row]:
    """Every act with its details in one row."""
    told = {row.audit_id: row._asdict() for row in connection.execute(audit_details.select())}
    return [
        row._asdict() | {"told": told.get(row.id)}
        for row in connection.execute(audit_table.select().order_by(audit_table.c.id))
    ]


def put(connection: Connection, row: Row) -> None:
    """Put `row` in the place of the one with its id."""
    unhindered(connection)
    values = {k: v for k, v in row.items() if k != "told"}
    connection.execute(audit_table.update().where(audit_table.c.id == row["id"]), values)
    connection.execute(audit_details.delete().where(audit_details.c.audit_id == row["id"]))
    if row["told"] is not None:
        connection.execute(audit_details.insert(), row["told"])


def unhindered(connection: Connection) -> None:
    """Foreign keys hinder nobody in this transaction."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
    else:
        connection.execute(text("SET LOCAL session_replication_role = replica"))


def rewrite(connection: Connection, rows: list[Row]) -> None:
    """Put `rows` in the place of the whole log, foreign keys or not."""
    unhindered(connection)
    connection.execute(audit_details.delete())
    connection.execute(audit_table.delete())
    if rows:
        connection.execute(audit_table.insert(), [{k: v for k, v in r.items() if k != "told"} for r in rows])
    if told := [row["told"] for row in rows if row["told"] is not None]:
        connection.execute(audit_details.insert(), told)


class Undo(Exception):
    pass


@contextmanager
def undone(database: Database) -> Iterator[Connection]:
    """A writing transaction that leaves nothing."""
    with suppress(Undo), database.write() as connection:
        yield connection
        raise Undo


def found(connection: Connection, *anchors: Head) -> list[Fault]:
    return audit.verify(connection, anchors)[1]


def but_unfounded(faults: list[Fault]) -> list[Fault]:
    """Without the erasure that is unfounded because the act that names its row was moved, too."""
    return [fault for fault in faults if (fault.id, "no act says" in fault.what) != (ERASED, True)]


def heads(rows: list[Row]) -> list[Head]:
    return [Head(row["id"], row["chain"]) for row in rows]


def link(before: bytes, row: Row) -> bytes:
    """The chain as docs/audit.md describes it, computed by other means."""
    at = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    parts = [row["id"], at, row["actor"], row["act"], row["subject"], row["details_hash"].hex()]
    written = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(before + written.encode()).digest()


def chained_anew(rows: list[Row], since: int) -> None:
    """Compute the chain again from row `since` on, as whoever knows how can."""
    for place in range(since - 1, len(rows)):
        rows[place]["chain"] = link(rows[place - 1]["chain"] if place else bytes(32), rows[place])


def hashed(row: Row, details: str) -> None:
    salt = secrets.token_bytes(16)
    row["told"].update(salt=salt, details=details, erased_by=None)
    row["details_hash"] = hashlib.sha256(salt + details.encode()).digest()


def test_an_untouched_log_holds(written: Database) -> None:
    with written.read() as connection:
        rows = stored(connection)
        assert [row["chain"] for row in rows] == [
            link(before, row)
            for before, row in zip([bytes(32)] + [r["chain"] for r in rows], rows, strict=False)
        ]
        assert audit.verify(connection, heads(rows)) == (ACTS, [])
        assert audit.head(connection) == heads(rows)[-1]


def test_an_empty_log_holds(database: Database) -> None:
    with database.read() as connection:
        assert audit.verify(connection) == (0, [])
        assert audit.head(connection) == Head(0, bytes(32))


# -- one row -------------------------------------------------------------------------------------

Change = Callable[[Row], None]


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def told(change: Change) -> Change:
    return lambda row: change(row["told"])


EDITS: dict[str, Change] = {
    "at by a microsecond": lambda r: r.update(at=r["at"] + timedelta(microseconds=1)),
    "at by a day": lambda r: r.update(at=r["at"] - timedelta(days=1)),
    "actor": lambda r: r.update(actor="cli:nobody"),
    "a space after the actor": lambda r: r.update(actor=r["actor"] + " "),
    "act": lambda r: r.update(act="pin.revoke"),
    "subject": lambda r: r.update(subject=r["subject"] + "0"),
    "actor and act moved together": lambda r: r.update(actor=r["actor"] + r["act"], act=""),
    "details' hash": lambda r: r.update(details_hash=flipped(r["details_hash"])),
    "chain": lambda r: r.update(chain=flipped(r["chain"])),
    "chain empty": lambda r: r.update(chain=b""),
    "details": told(lambda d: d.update(details='{"minutes":0}', salt=d["salt"] or bytes(16))),
    "a space in the details": told(lambda d: d.update(details=f"{d['details']} ")),
    "salt": told(lambda d: d.update(salt=flipped(d["salt"] or bytes(16)))),
    "one byte from the details to the salt": told(
        lambda d: d.update(salt=(d["salt"] or bytes(16)) + b"{", details=(d["details"] or "{")[1:])
    ),
    "details and their hash": lambda r: hashed(r, '{"minutes":0}'),
    "details removed": lambda r: r.update(told=None),
    "details as if never given": told(lambda d: d.update(salt=None, details=None, erased_by=None)),
    "details behind somebody's erasure": told(
        lambda d: d.update(salt=None, details=None, erased_by=ERASER if d["audit_id"] != ERASED else 5)
    ),
    "details behind an act that is no erasure": told(
        lambda d: d.update(salt=None, details=None, erased_by=20)
    ),
    "details behind nothing": told(lambda d: d.update(salt=None, details=None, erased_by=999)),
    "said to be erased, and still there": told(
        lambda d: d.update(details=d["details"] or "{}", erased_by=ERASER)
    ),
}


def test_each_row_edited_is_found(written: Database) -> None:
    with undone(written) as connection:
        for good, what in product(stored(connection), EDITS):
            row = copy.deepcopy(good)
            EDITS[what](row)
            put(connection, row)
            alone = {fault.id for fault in found(connection)}
            put(connection, good)
            assert row["id"] in alone, (what, row["id"])
            # Whoever empties the act that names erased rows makes their erasure unfounded, too.
            assert alone <= ({ERASER, ERASED} if row["id"] == ERASER else {row["id"]}), (what, row["id"])
        assert found(connection) == []


Move = Callable[[list[Row], int], None]


def removed(rows: list[Row], number: int) -> None:
    del rows[number - 1]


def removed_but_for_its_details(rows: list[Row], number: int) -> None:
    told = rows[number - 1]["told"]
    removed(rows, number)
    rows.append({"id": 1000, **{k: rows[0][k] for k in rows[0] if k not in ("id", "told")}, "told": told})


def renumbered(rows: list[Row], number: int) -> None:
    rows[number - 1]["id"] = 1000


def swapped(rows: list[Row], number: int) -> None:
    """With its neighbour: all that stands in the two rows but their ids."""
    one, other = rows[number - 1], rows[number if number < ACTS else number - 2]
    one["id"], other["id"] = other["id"], one["id"]
    for row in (one, other):
        row["told"]["audit_id"] = row["id"]


def swapped_but_for_the_chain(rows: list[Row], number: int) -> None:
    swapped(rows, number)
    one, other = rows[number - 1], rows[number if number < ACTS else number - 2]
    one["chain"], other["chain"] = other["chain"], one["chain"]


def forged(rows: list[Row], number: int) -> None:
    """A row of somebody else's before this one, and those after it moved."""
    new = copy.deepcopy(rows[number - 1])
    for row in rows[number - 1 :]:
        row["id"] += 1
        row["told"]["audit_id"] = row["id"]
    hashed(new, '{"reason":"forged"}')
    new["actor"] = "cli:nobody"
    rows.insert(number - 1, new)


def forged_and_chained(rows: list[Row], number: int) -> None:
    forged(rows, number)
    rows[number - 1]["chain"] = link(rows[number - 2]["chain"] if number > 1 else bytes(32), rows[number - 1])


MOVES: dict[str, Move] = {
    "removed": removed,
    "removed but for its details": removed_but_for_its_details,
    "renumbered": renumbered,
    "swapped": swapped,
    "swapped but for the chain": swapped_but_for_the_chain,
    "forged": forged,
    "forged and chained": forged_and_chained,
}


def test_each_row_moved_is_found(written: Database) -> None:
    """An anchor stands at every row, as after as many commands."""
    with written.read() as connection:
        good = stored(connection)
    for (what, move), number in product(MOVES.items(), range(1, ACTS + 1)):
        rows = copy.deepcopy(good)
        move(rows, number)
        with undone(written) as connection:
            rewrite(connection, rows)
            faults = but_unfounded(found(connection, *heads(good)))
        first = min(number, ACTS - 1) if move in (swapped, swapped_but_for_the_chain) else number
        assert faults[0].id == first, (what, number, faults)


def test_a_row_below_the_first_is_found(written: Database) -> None:
    with written.read() as connection:
        good = stored(connection)
    forged = copy.deepcopy(good[0])
    forged["id"] = forged["told"]["audit_id"] = 0
    with undone(written) as connection:
        rewrite(connection, [forged, *good])
        assert [fault.id for fault in found(connection)] == [0]


def test_an_instant_written_in_another_way_is_found(on_disk: Database) -> None:
    with undone(on_disk) as connection:
        connection.execute(text("UPDATE audit SET at = replace(at, ' ', 'T') WHERE id = 4"))
        assert [fault.id for fault in found(connection)] == [4]


# -- what only anchors show ----------------------------------------------------------------------


def test_the_newest_rows_removed_are_found_by_their_anchor(written: Database) -> None:
    with written.read() as connection:
        good = stored(connection)
    for many in range(1, ACTS + 1):
        with undone(written) as connection:
            rewrite(connection, good[:-many])
            faults = but_unfounded(found(connection, *heads(good)[-1:]))
            assert [fault.id for fault in faults] == [ACTS + 1 - many]
            assert f"remembers row {ACTS}" in faults[0].what


def test_details_without_their_row_show_that_it_is_gone(written: Database) -> None:
    with undone(written) as connection:
        unhindered(connection)
        connection.execute(audit_table.delete().where(audit_table.c.id == ACTS))
        assert found(connection) == [Fault(ACTS, "is gone, but its details are there")]


def test_a_chain_computed_anew_is_found_by_the_anchors(written: Database) -> None:
    with written.read() as connection:
        good = stored(connection)
    anchors = heads(good)
    for number in range(1, ACTS + 1):
        rows = copy.deepcopy(good)
        hashed(rows[number - 1], '{"rows":[7],"minutes":0}')
        chained_anew(rows, number)
        with undone(written) as connection:
            rewrite(connection, rows)
            assert found(connection) == []  # by itself it holds: whoever knows how can compute it
            assert [fault.id for fault in found(connection, *anchors)] == [number]
            # With few anchors, the next one after the change; it says since when.
            (fault,) = found(connection, anchors[0], anchors[-1])
            assert fault.id == (1 if number == 1 else ACTS)
            assert number == 1 or "nor is any after row 1," in fault.what


def test_two_stretches_that_differ_are_two_faults(written: Database) -> None:
    with written.read() as connection:
        anchors = heads(stored(connection))
        wrong = [Head(anchor.id, bytes(32)) for anchor in anchors if anchor.id in (4, 5, 9)]
        right = [anchor for anchor in anchors if anchor.id not in (4, 5, 9)]
        assert [fault.id for fault in found(connection, *wrong, *right)] == [4, 9]


def test_rows_appended_while_it_is_read_are_no_fault(written: Database) -> None:
    with written.read() as connection:
        anchors = [audit.head(connection)]
        with written.write() as other:
            audit.record(other, ACTOR, NIGHT, "pin.issue", "pin:99")
        assert audit.verify(connection, anchors) == (ACTS, [])
    with written.read() as connection:
        assert audit.verify(connection, anchors) == (ACTS + 1, [])


def test_the_oldest_rows_may_be_purged(written: Database) -> None:
    with written.read() as connection:
        good = stored(connection)
    beginning, *anchors = heads(good)[9:]
    with undone(written) as connection:
        rewrite(connection, good[10:])
        assert audit.verify(connection, [*heads(good)[:9], *anchors], beginning) == (20, [])
        assert [fault.id for fault in found(connection)] == [1]
        _, faults = audit.verify(connection, anchors, Head(beginning.id, bytes(32)))
        assert [fault.id for fault in faults] == [11]
        assert audit.record(connection, ACTOR, NIGHT, "pin.issue", "pin:1") == ACTS + 1
    with undone(written) as connection:
        rewrite(connection, good[9:])
        assert [fault.id for fault in audit.verify(connection, anchors, beginning)[1]] == [10]


# -- any single change ---------------------------------------------------------------------------

COLUMNS = [("audit", "id", c.name) for c in audit_table.c] + [
    ("audit_details", "audit_id", c.name) for c in audit_details.c
]
ANYTHING = st.one_of(
    st.none(),
    st.integers(-5, 40),
    st.text(max_size=8),
    st.binary(max_size=40),
    st.binary(min_size=32, max_size=32),
    st.floats(allow_nan=False),
    st.datetimes().map(lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f")),
    st.datetimes().map(datetime.isoformat),
)


@given(number=st.integers(1, ACTS), column=st.sampled_from(COLUMNS), value=ANYTHING)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_single_change_is_found(
    on_disk: Database, number: int, column: tuple[str, str, str], value: object
) -> None:
    """Of whatever type SQLite takes; also one that no one could have meant."""
    table, key, name = column
    look = text(f"SELECT typeof({name}), {name} FROM {table} WHERE {key} = :n")
    change = text(f"UPDATE OR IGNORE {table} SET {name} = :value WHERE {key} = :n")
    with undone(on_disk) as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        before = connection.execute(look, {"n": number}).all()
        head = audit.head(connection)
        try:
            connection.execute(change, {"n": number, "value": value})
        except IntegrityError:
            assume(False)
        changed = connection.execute(look, {"n": number}).all() != before
        faults = found(connection, head)
    assume(changed)
    assert faults


# -- writing -------------------------------------------------------------------------------------


def test_a_transaction_that_fails_leaves_no_gap(database: Database) -> None:
    def record(connection: Connection) -> int:
        return audit.record(connection, ACTOR, NIGHT, "pin.issue", "pin:1")

    with database.write() as connection:
        assert record(connection) == 1
    with undone(database) as connection:
        assert (record(connection), record(connection)) == (2, 3)
    with database.write() as connection:
        assert record(connection) == 2
    with database.read() as connection:
        assert audit.verify(connection) == (2, [])


def test_two_who_write_at_once_make_one_chain(database: Database) -> None:
    """Fifty acts each, every fifth undone."""

    def run(who: str) -> None:
        for number in range(50):
            if number % 5:
                with database.write() as connection:
                    audit.record(connection, who, NIGHT, "pin.issue", f"pin:{number}")
            else:
                with undone(database) as connection:
                    audit.record(connection, who, NIGHT, "pin.issue", f"pin:{number}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ("anna", "bruno")))
    with database.read() as connection:
        assert audit.verify(connection) == (80, [])
        rows = stored(connection)
        assert [row["id"] for row in rows] == list(range(1, 81))
        assert [row["actor"] for row in rows].count("anna") == 40


def test_what_no_database_takes_is_written_all_the_same(database: Database) -> None:
    with database.write() as connection:
        reason = "not UTF-8: \udcff, a NUL: \x00, a bell: 🔔"
        audit.record(connection, "a" * 200, NIGHT, "pin.issue", "pin:1", reason=reason, details={"at": NIGHT})
    with database.read() as connection:
        (act,) = audit.acts(connection)
        assert act.details == {"at": str(NIGHT), "reason": reason.replace("\udcff", "?")}
        assert (len(act.actor), act.at) == (120, NIGHT)
        assert audit.verify(connection) == (1, [])


def test_acts_of_a_subject_the_latest_first(written: Database) -> None:
    with written.read() as connection:
        assert [act.id for act in audit.acts(connection, limit=3)] == [30, 29, 28]
        asked = audit.acts(connection, ["customer:3", "customer:5", "nobody"])
        assert [(act.id, act.subject) for act in asked] == [(5, "customer:5"), (3, "customer:3")]
        assert (asked[0].details or {})["reason"].startswith("richiesto")


# -- erasing -------------------------------------------------------------------------------------


def test_erased_details_are_gone_and_the_chain_holds(written: Database) -> None:
    with written.write() as connection:
        by = audit.record(connection, "cli:rita", NIGHT, "customer.erase", "customer:3")
        # The one that was erased before stays as it is, and nothing erases what was erased.
        assert audit.erase_details(connection, [3, ERASED, ERASER, 999], by) == 1
        assert audit.erase_details(connection, [3], by) == 0
    with written.read() as connection:
        rows = stored(connection)
        erased = {row["id"]: row["told"] for row in rows if row["told"]["details"] is None}
        assert erased == {
            number: {"audit_id": number, "salt": None, "details": None, "erased_by": act}
            for number, act in ((3, by + 1), (ERASED, ERASER))
        }
        latest = audit.acts(connection)[0]
        assert (latest.act, latest.subject, latest.actor) == (audit.ERASE, f"audit:{by}", "cli:rita")
        assert latest.details == {"rows": [3]}
        assert audit.acts(connection, ["customer:3"])[1].details is None
        assert audit.verify(connection) == (ACTS + 2, [])


def test_many_are_erased_at_once(database: Database) -> None:
    with database.write() as connection:
        acts = [("pin.issue", f"pin:{number}", {"n": number}) for number in range(1, 1203)]
        assert audit.record_many(connection, ACTOR, NIGHT, acts) == 1202
        assert audit.erase_details(connection, range(1, 1202), 1202) == 1201
    with database.read() as connection:
        assert audit.verify(connection) == (1203, [])


# -- the path of a call --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["second-technician-accepts", "office-misses-pin-path-wrong-pins", "first-declines"]
)
def test_no_turn_of_a_call_writes_an_act(stage: Callable[..., Rehearsal], name: str) -> None:
    """An act costs a lock that all who administer wait for, and a call waits for nobody."""
    rehearsal = stage()
    with rehearsal.house.database.read() as connection:
        before = audit.head(connection)
    assert before.id > 0
    rehearsal.play((ROOT / "tests" / "calls" / f"{name}.call").read_text(encoding="utf-8"))
    with rehearsal.house.database.read() as connection:
        assert audit.head(connection) == before


def test_nor_does_the_conversation_know_the_audit() -> None:
    files: list[Path] = [*(ROOT / "ivr").rglob("*.py"), *(ROOT / "webhooks").rglob("*.py")]
    commanded = {
        "caller_list.py",
        "erasure.py",
        "casework.py",
        "heard.py",
        "kept.py",
    }  # at somebody's command
    assert [
        f.name for f in files if "audit" in f.read_text(encoding="utf-8") and f.name not in commanded
    ] == ["settings.py"]
