"""A backup holds everything, on either kind of database, and is believed whole or not at all."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import random_rows
from making import NIGHT, fresh_database
from sqlalchemy import Column, Float, MetaData, Table, insert, inspect, select, text

from storage import dump, refill, schema
from storage.dump import Undumpable
from storage.engine import Database, open_database
from storage.sealed_file import NotSealed, SealedElsewhere, Sealing, opened
from storage.tables import metadata

KEY, OTHER_KEY = bytes(range(7, 39)), bytes(range(90, 122))
KINDS = ("sqlite", "postgresql")


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    """Opens migrated, empty databases of either kind; closed after the test."""
    made: list[Database] = []

    def make(kind: str) -> Database:
        if kind == "postgresql":
            url = request.getfixturevalue("new_postgresql")()
        else:
            folder = tmp_path / f"database{len(made)}"
            folder.mkdir()
            with fresh_database(folder) as database:
                url = str(database.engine.url)
        made.append(open_database(url))
        return made[-1]

    yield make
    for database in made:
        database.close()


def dumped(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(dump.lines(connection, metadata))


def refilled(database: Database, lines: list[Any], revision: str = schema.NEWEST) -> None:
    with database.rebuild() as connection:
        refill.prepare(connection, metadata, revision)
        filled = refill.fill(connection, iter(lines))
        refill.bring_up_to_date(connection)
        refill.number_from(connection, filled.given)


# -- every row ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("first", "second"), [KINDS, KINDS[::-1]])
def test_every_table_is_the_same_again_on_the_other_kind_and_back(
    new: Callable[[str], Database], first: str, second: str, seed: int
) -> None:
    began, there, back = new(first), new(second), new(first)
    with began.write() as connection:
        random_rows.fill(connection, random.Random(seed))
    lines = dumped(began)
    refilled(there, lines)
    refilled(back, dumped(there))
    assert dumped(there) == lines
    assert dumped(back) == lines
    # Through the eyes of whoever reads rows: the same values, of the same types.
    with began.read() as one, back.read() as other:
        for table in metadata.sorted_tables:
            query = select(table).order_by(*table.primary_key)
            assert list(one.execute(query)) == list(other.execute(query)), table.name


def test_every_table_and_column_is_in_it(new: Callable[[str], Database]) -> None:
    database = new("sqlite")
    with database.write() as connection:
        random_rows.fill(connection, random.Random(3))
        there = inspect(connection)
        tables = {
            name: {column["name"] for column in there.get_columns(name)}
            for name in there.get_table_names()
            if name != "alembic_version"
        }
    lines = dumped(database)
    told = {
        line["table"]: {name for name, _ in line["columns"]}
        for line in lines
        if isinstance(line, dict) and "table" in line
    }
    assert told == tables
    rows = {line["end"]: line["rows"] for line in lines if isinstance(line, dict) and "end" in line}
    assert rows == dict.fromkeys(tables, random_rows.ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_no_id_is_given_twice(new: Callable[[str], Database], kind: str) -> None:
    began, restored = new(kind), new(next(each for each in KINDS if each != kind))
    table = metadata.tables["technicians"]

    def hired(database: Database, key: str) -> int:
        with database.write() as connection:
            row = insert(table).values(key=key, name=key, spoken_name=key, phone=key, created_at=NIGHT)
            made = connection.execute(row).inserted_primary_key
            assert made is not None
            return int(made[0])

    assert [hired(began, key) for key in "abc"] == [1, 2, 3]
    with began.write() as connection:
        connection.execute(table.delete().where(table.c.id > 1))
    refilled(restored, dumped(began))
    assert hired(restored, "d") == 4


def test_a_type_that_no_backup_can_carry_is_refused() -> None:
    odd = Table("odd", MetaData(), Column("price", Float))
    with pytest.raises(Undumpable, match=r"odd\.price"):
        dump.kind(odd.c.price)


def test_what_was_written_past_us_is_named(new: Callable[[str], Database]) -> None:
    database = new("sqlite")
    with database.write() as connection:
        random_rows.fill(connection, random.Random(4))
        connection.execute(text("UPDATE calls SET started_at = 'yesterday'"))
    with pytest.raises(Undumpable, match="calls"):
        dumped(database)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[:7],
        lambda lines: lines[1:],
        lambda lines: [line for line in lines if not isinstance(line, list)],
        lambda lines: [{"table": "calls", "columns": [["sid", "magic"]]}, *lines],
        lambda lines: [each[:-1] if isinstance(each, list) else each for each in lines],
        lambda lines: [["yesterday"] * len(each) if isinstance(each, list) else each for each in lines],
        lambda lines: [[None] * len(each) if isinstance(each, list) else each for each in lines],
    ],
)
def test_lines_that_are_not_whole_are_refused(
    new: Callable[[str], Database], spoil: Callable[[list[Any]], list[Any]]
) -> None:
    began, restored = new("sqlite"), new("sqlite")
    with began.write() as connection:
        random_rows.fill(connection, random.Random(5))
    lines = dumped(began)
    empty = dumped(restored)
    with pytest.raises(refill.Unreadable):
        refilled(restored, spoil(lines))
    assert dumped(restored) == empty


# -- older and newer ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_a_backup_of_older_tables_is_brought_up_to_date(
    new: Callable[[str], Database], kind: str, revision: str
) -> None:
    restored = new(kind)
    lines = [
        {"table": "calls", "columns": _CALL},
        ["CA1", "+39", "+39", "2026-03-10T21:00:00+00:00", 3, "ringing", "{}"],
        {"end": "calls", "rows": 1},
        {"given": {}},
    ]
    refilled(restored, lines, revision)
    with restored.read() as connection:
        assert schema.revision(connection) == schema.NEWEST
        assert schema.differences(connection, metadata) == []
        row = connection.execute(select(metadata.tables["calls"])).one()
    assert (row.sid, row.turn, row.started_at.isoformat()) == ("CA1", 3, "2026-03-10T21:00:00+00:00")


_CALL = [
    ["sid", "text"],
    ["caller", "text"],
    ["number", "text"],
    ["started_at", "instant"],
    ["turn", "int"],
    ["step", "text"],
    ["state", "text"],
]


def test_only_revisions_of_this_program_are_known() -> None:
    assert refill.known(schema.NEWEST)
    assert refill.known("0001")
    assert not refill.known("9999")


# -- sealed ------------------------------------------------------------------------------------


def sealed(content: bytes, key: bytes = KEY) -> bytes:
    file = io.BytesIO()
    sealing = Sealing(file, key)
    for start in range(0, len(content), 50_000):
        sealing.write(content[start : start + 50_000])
    sealing.end()
    return file.getvalue()


def unsealed(content: bytes, *keys: bytes) -> bytes:
    return b"".join(opened(io.BytesIO(content), keys or (KEY,)))


# Random, so that it does not shrink: none, a little, just a piece, several.
CONTENTS = [random.Random(6).randbytes(size) for size in (0, 1, 100, 65_000, 65_536, 131_072, 200_000)]


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_what_is_sealed_is_read_again(content: bytes) -> None:
    assert unsealed(sealed(content)) == content
    assert unsealed(sealed(content, OTHER_KEY), KEY, OTHER_KEY) == content


def test_with_another_key_it_says_so() -> None:
    with pytest.raises(SealedElsewhere):
        unsealed(sealed(b"secret"), OTHER_KEY)
    with pytest.raises(SealedElsewhere):
        list(opened(io.BytesIO(sealed(b"secret")), ()))


def test_every_byte_counts() -> None:
    whole = sealed(b"of which nothing may be another")
    for place in range(len(whole)):
        for flipped in (0x01, 0x80):
            spoilt = bytearray(whole)
            spoilt[place] ^= flipped
            with pytest.raises(NotSealed):
                unsealed(bytes(spoilt))
        with pytest.raises(NotSealed):
            unsealed(whole[:place])
    with pytest.raises(NotSealed):
        unsealed(whole + b"\0")
    with pytest.raises(NotSealed):
        unsealed(whole + whole)


def test_pieces_are_where_they_were() -> None:
    whole = sealed(random.Random(8).randbytes(250_000))
    piece = 65_536 + 16
    head = whole[:58]
    rest = whole[58:]
    pieces = [rest[start : start + piece] for start in range(0, len(rest), piece)]
    assert len(pieces) == 4
    assert unsealed(head + b"".join(pieces))
    for order in ([0, 1, 2], [0, 1, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [1, 2, 3], [3], [], [0, 1, 2, 3, 3]):
        with pytest.raises(NotSealed):
            unsealed(head + b"".join(pieces[each] for each in order))
    other = sealed(random.Random(9).randbytes(250_000))[58:]
    with pytest.raises(NotSealed):
        unsealed(head + other[:piece] + b"".join(pieces[1:]))


def test_nothing_of_it_can_be_seen() -> None:
    assert b"Zanzibar" not in sealed(b"Zanzibar" * 1000)
    assert sealed(b"twice") != sealed(b"twice")
