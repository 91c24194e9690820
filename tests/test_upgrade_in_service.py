"""Machines are upgraded one by one, during calls: a release serves calls beside its neighbour, the one before
or the one after it.

What the neighbour would have written meanwhile is written into the database between any two requests: the
tables as the next release may have brought them, every stored call with fields that nobody knows yet; or
every stored call as the release before writes it, which knows fewer fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from making import fresh_database, opened_at
from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, create_engine, inspect, select, text, update
from stored_shapes import STORED, Shape, grown, released, shapes, stripped, unreadable

from console.commands import ivr
from console.house import not_ready
from console.rehearsing.rehearsal import Rehearsal
from ivr.answer import HANG_UP, from_json
from ivr.tables import calls, leg_turns, legs, outgoing, turns
from storage import due, schema
from storage.tables import due_work, metadata

CALLS = Path(__file__).parent / "calls"
# Among them is every kind of request: PIN, urgency, rings, a technician's keys, a message, calls we place.
PLAYED = [
    "busy-then-failed-then-second-pass",
    "nobody-answers-message-left",
    "pursued-and-taken",
    "repeat-caller-taken",
    "wrong-pin-then-right",
]
NEXT = f"{int(schema.NEWEST) + 1:04}"
EITHER = [{"type": "string"}, {"type": "null"}]
# Where each of the stored shapes stands.
KEPT = [
    ("call", calls.c.state),
    ("leg", legs.c.state),
    ("outgoing", outgoing.c.state),
    ("answer", turns.c.answer),
    ("answer", leg_turns.c.answer),
]


# -- what is stored ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORED)
def test_what_we_store_is_read_by_the_release_before_and_the_other_way_round(name: str) -> None:
    """A new step, outcome or part of an answer is read one release before it is written."""
    assert unreadable(shapes()[name], released()[name]) == []
    assert unreadable(released()[name], shapes()[name]) == []


def _changed(shape: Shape, change: Callable[[Shape], None]) -> Shape:
    copy: Shape = json.loads(json.dumps(shape))
    change(copy)
    return copy


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda s: s["$defs"]["Step"]["enum"].append("humming"), [".step may be humming"]),
        (lambda s: s["properties"].pop("caller"), [".caller is missed"]),
        (lambda s: s["properties"].update(missed={"type": "string"}), [".missed is of another type"]),
        (lambda s: s["properties"].update(sid={"anyOf": EITHER}), [".sid is of another type"]),
        (lambda s: s["$defs"]["LadderPlace"]["properties"].pop("phone"), [".ladder[].phone is missed"]),
        (lambda s: s["properties"].update(mood={"type": "string"}), []),
    ],
)  # fmt: skip
def test_a_difference_of_shape_would_be_found(change: Callable[[Shape], None], found: list[str]) -> None:
    call = shapes()["call"]
    assert unreadable(_changed(call, change), call) == found


def test_fields_that_nobody_knows_are_passed_over() -> None:
    future = grown(json.loads(TypeAdapter(type(HANG_UP)).dump_json(HANG_UP)))
    assert from_json(json.dumps(future)) == HANG_UP
    assert stripped(future, shapes()["answer"]) == {"parts": [{"do": "hangup"}]}


# -- the tables --------------------------------------------------------------------------------


def drawn(connection: Connection) -> dict[str, dict[str, Any]]:
    """The tables as they stand: columns, and what must hold of their rows."""
    found = inspect(connection)
    return {
        name: {
            "columns": {each["name"]: each for each in found.get_columns(name)},
            "rules": {
                *(("check", c["sqltext"]) for c in found.get_check_constraints(name)),
                *(("unique", *u["column_names"]) for u in found.get_unique_constraints(name)),
                *(("unique", *i["column_names"]) for i in found.get_indexes(name) if i["unique"]),
                *(("points", *f["constrained_columns"]) for f in found.get_foreign_keys(name)),
            },
        }
        for name in found.get_table_names()
    }


def in_the_way(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    """What a release that knows the tables as they were before trips over afterwards."""
    found = [f"{table} is gone" for table in before.keys() - after.keys()]
    for table in before.keys() & after.keys():
        was, now = before[table]["columns"], after[table]["columns"]
        found += [f"{table}.{name} is gone" for name in was.keys() - now.keys()]
        for name, column in now.items():
            if name not in was:
                if not column["nullable"] and column["default"] is None:
                    found.append(f"{table}.{name} must be given")
            elif str(column["type"]) != str(was[name]["type"]):
                found.append(f"{table}.{name} is of another type")
            elif column["nullable"] is not was[name]["nullable"]:
                found.append(f"{table}.{name} may no longer be what it might")
        new = after[table]["rules"] - before[table]["rules"]
        # A new column may have rules of its own: it is empty in a row of the release before.
        found += [f"{table}: {rule}" for rule in new if rule[0] == "check" or set(rule[1:]) <= was.keys()]
    return sorted(found)


def test_a_migration_only_adds(tmp_path: Path) -> None:
    """From the last migration but one before this rule; where a generation begins it need not hold."""
    with opened_at(f"sqlite:///{tmp_path / 'steps.db'}") as database:
        with database.rebuild() as connection:
            command.upgrade(schema.config(connection), "0003")
            every = [
                each.revision
                for each in ScriptDirectory.from_config(schema.config(connection)).walk_revisions()
            ]
        at = "0003"
        for revision in sorted(each for each in every if each > at):
            with database.read() as connection:
                before = drawn(connection)
            with database.rebuild() as connection:
                command.upgrade(schema.config(connection), revision)
            with database.read() as connection:
                if revision[:2] == at[:2]:
                    assert in_the_way(before, drawn(connection)) == [], revision
            at = revision
    assert at == schema.NEWEST


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE leg_turns DROP COLUMN heard", ["leg_turns.heard is gone"]),
        ("ALTER TABLE wake_ups RENAME TO alarms", ["wake_ups is gone"]),
        ("ALTER TABLE legs ADD COLUMN mood TEXT NOT NULL DEFAULT ''", []),
        ("ALTER TABLE legs ADD COLUMN mood TEXT CHECK (mood <> '')", ["legs: ('check', \"mood <> ''\")"]),
        ("CREATE UNIQUE INDEX once ON legs (call_sid)", ["legs: ('unique', 'call_sid')"]),
        ("CREATE TABLE moods (sid TEXT NOT NULL)", []),
    ],
)
def test_what_is_in_the_way_would_be_found(change: str, found: list[str], tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database, database.write() as connection:
        before = drawn(connection)
        connection.execute(text(change))
        assert in_the_way(before, drawn(connection)) == found


def test_a_column_that_must_be_given_would_be_found() -> None:
    column = {"type": "TEXT", "nullable": False, "default": None}
    before = {"legs": {"columns": {}, "rules": set()}}
    assert in_the_way(before, {"legs": {"columns": {"mood": column}, "rules": set()}}) == [
        "legs.mood must be given"
    ]


# -- serving meanwhile -------------------------------------------------------------------------


def _next_release(engine: Engine) -> None:
    """Bring the tables where the next release may: a column more in each, a table more."""
    with engine.begin() as connection:
        for name in metadata.tables:
            connection.execute(text(f"ALTER TABLE {name} ADD COLUMN of_the_future TEXT"))
        connection.execute(text("CREATE TABLE of_the_future (id INTEGER PRIMARY KEY)"))
        connection.execute(text("UPDATE alembic_version SET version_num = :next"), {"next": NEXT})


def conversation(name: str) -> str:
    """A conversation, without what only its own test can ask of due work."""
    text = (CALLS / f"{name}.call").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("* work "))


class Neighbour:
    """Another release at work on the same calls: before each request of ours it has written them anew."""

    def __init__(self, rehearsal: Rehearsal, writes: Callable[[Any, Shape], Any]) -> None:
        self.wrote = 0
        self._writes, self._known = writes, released()
        # Not the house's own engine: ours is none of the transactions that are counted or watched.
        self._engine = create_engine(rehearsal.house.database.engine.url)
        serve = rehearsal.app.wsgi_app

        def beside(environ: Any, start_response: Any) -> Iterable[bytes]:
            self.write()
            return serve(environ, start_response)

        rehearsal.app.wsgi_app = beside  # type: ignore[method-assign]

    def write(self) -> None:
        with self._engine.begin() as connection:
            for name, column in KEPT:
                for (stored,) in connection.execute(select(column)).all():
                    anew = json.dumps(self._writes(json.loads(stored), self._known[name]))
                    connection.execute(update(column.table).where(column == stored).values({column: anew}))
                    self.wrote += 1

    def close(self) -> None:
        self._engine.dispose()


@pytest.mark.parametrize("file", PLAYED)
def test_a_call_goes_on_whichever_release_is_asked(file: str, stage: Callable[..., Rehearsal]) -> None:
    """The next release has the tables already, and every other turn is answered by it."""
    rehearsal = stage()
    _next_release(rehearsal.house.database.engine)
    assert not_ready(rehearsal.house) == {}
    neighbour = Neighbour(rehearsal, lambda stored, _: grown(stored))
    rehearsal.play(conversation(file), file)
    assert neighbour.wrote
    neighbour.close()


@pytest.mark.parametrize("file", PLAYED)
def test_a_call_goes_on_from_what_the_release_before_wrote(
    file: str, stage: Callable[..., Rehearsal]
) -> None:
    rehearsal = stage()
    neighbour = Neighbour(rehearsal, stripped)
    rehearsal.play(conversation(file), file)
    assert neighbour.wrote
    neighbour.close()


def test_tables_of_a_newer_release_are_left_alone(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :next"), {"next": NEXT})
        schema.migrate(database)
        with database.read() as connection:
            assert schema.revision(connection) == NEXT


def test_tables_of_a_generation_that_we_do_not_know_are_refused(tmp_path: Path) -> None:
    config = ["--config", str(tmp_path / "config.toml")]
    assert CliRunner().invoke(ivr, [*config, "init"]).exit_code == 0

    def stands_at(revision: str) -> None:
        with opened_at(f"sqlite:///{tmp_path / 'ivr.db'}") as database, database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})

    stands_at(NEXT)
    told = CliRunner().invoke(ivr, [*config, "migrate"])
    assert (told.exit_code, told.output) == (0, f"the database stands at {NEXT}\n")
    stands_at(f"{int(NEXT[:2]) + 1:02}00")
    for command_line in (["migrate"], ["pin", "list"]):
        refused = CliRunner().invoke(ivr, [*config, *command_line])
        assert refused.exit_code == 1
        assert "which only a newer release can use" in refused.output


@pytest.mark.parametrize(
    ("found", "usable"),
    [
        (schema.NEWEST, True),
        (NEXT, True),
        (f"{int(schema.NEWEST) - 1:04}", False),
        (f"{int(schema.NEWEST[:2]) + 1:02}00", False),
        (None, False),
        ("", False),
        ("head", False),
        ("²²²²", False),
    ],
)
def test_which_tables_are_usable(found: str | None, usable: bool) -> None:
    assert schema.usable(found) is usable


def test_work_of_a_kind_that_only_the_next_release_knows_is_left_to_it(
    stage: Callable[..., Rehearsal],
) -> None:
    rehearsal = stage()
    with rehearsal.house.database.write() as connection:
        due.add(connection, rehearsal.clock.now(), "of-the-future", "x", rehearsal.clock.now(), {})
    rehearsal.work()
    with rehearsal.house.database.read() as connection:
        kept = select(due_work.c.state, due_work.c.tries).where(due_work.c.kind == "of-the-future")
        assert connection.execute(kept).one() == ("pending", 0)
