"""Statements of the path of a call: put into words once for each kind of database, then run on the driver's
own cursor.

SQLAlchemy finds each statement's words again in a cache, makes an object of each execution and one of its
result: four fifths of what a look-up by key costs. What it does for safety's sake is done here too: values go
through the columns' types, errors are SQLAlchemy's own and hide the values, and a connection that has broken
is given up.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import CompoundSelect, Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, NoResultFound, StatementError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

T = TypeVar("T")
Values = Mapping[str, Any]
_Process = Callable[[Any], Any] | None


@dataclass(frozen=True)
class _Words:
    """A statement in the words of one kind of database: what each parameter is made of, in their order;
    whether they are given by name; what a row is made of, and what is made of which of its columns.
    """

    text: str
    given: Sequence[tuple[str, _Process]]
    fixed: Values
    named: bool
    make: Callable[[Iterable[Any]], Any]
    columns: Sequence[tuple[int, Callable[[Any], Any]]]

    def parameters(self, values: Values) -> dict[str, Any] | list[Any]:
        fixed = self.fixed
        found = [
            fixed[name] if name in fixed else process(values[name]) if process else values[name]
            for name, process in self.given
        ]
        return dict(zip((name for name, _ in self.given), found, strict=True)) if self.named else found

    def row(self, row: Sequence[Any]) -> Any:
        if not self.columns:
            return self.make(row)
        found = list(row)
        for place, process in self.columns:
            found[place] = process(found[place])
        return self.make(found)


class Prepared:
    """One statement. Its parameters are its `bindparam`s; of an INSERT the columns that the first to run it
    names. Each verb takes the connection of a transaction and the values by name, and raises what
    `Connection.execute` raises.

    Not for a statement whose words depend on its values (IN), or whose columns have defaults in Python.
    """

    def __init__(
        self,
        statement: Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]] | Insert | Update | Delete,
    ) -> None:
        self._statement = statement
        self._words: dict[str, _Words] = {}

    def first(self, connection: Connection, values: Values) -> Any:
        """The first row, its columns by name as by place; None if there is none."""
        return self._run(connection, values, _first)

    def one(self, connection: Connection, values: Values) -> Any:
        """The first row. Raises NoResultFound."""
        row = self._run(connection, values, _first)
        if row is None:
            raise NoResultFound("a row was expected")
        return row

    def scalar(self, connection: Connection, values: Values) -> Any:
        """The first row's first column; None if there is no row."""
        row = self._run(connection, values, _first)
        return None if row is None else row[0]

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """All rows."""
        return self._run(connection, values, _all)

    def count(self, connection: Connection, values: Values) -> int:
        """Run what returns no rows; how many it found to change."""
        return self._run(connection, values, _count)

    def _run(self, connection: Connection, values: Values, take: Callable[[DBAPICursor, _Words], T]) -> T:
        dialect = connection.dialect
        words = self._words.get(dialect.name) or self._put(dialect, values)
        try:
            parameters = words.parameters(values)
        except Exception as error:  # a value that its column does not take, or none
            raise StatementError(
                f"({type(error).__name__}) {error}", words.text, None, error, hide_parameters=True
            ) from error
        cursor: DBAPICursor | None = None
        try:
            cursor = connection.connection.cursor()
            for tell in connection.engine.dispatch.before_cursor_execute:  # tests count statements
                tell(connection, cursor, words.text, parameters, None, False)
            cursor.execute(words.text, parameters)
            found = take(cursor, words)
            cursor.close()
        except dialect.loaded_dbapi.Error as error:
            raise _told(connection, words, error, cursor) from error
        return found

    def _put(self, dialect: Dialect, values: Values) -> _Words:
        new = isinstance(self._statement, Insert) and self._statement.select is None
        keys = list(values) if new else None
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params or compiled.insert_prefetch or compiled.update_prefetch:
            raise TypeError(f"cannot be prepared: {compiled}")
        binds = compiled.binds
        given = [
            (name, _bound(binds[name].type, dialect)) for name in compiled.positiontup or compiled.params
        ]
        fixed = {}
        for name, process in given:
            if name not in values:
                if binds[name].required:
                    continue
                value = binds[name].effective_value
                fixed[name] = process(value) if process else value
        returned = list(self._statement.exported_columns)
        types = enumerate(column.type for column in returned)
        columns = [(place, process) for place, of in types if (process := _result(of, dialect))]
        row = namedtuple("Row", [column.key for column in returned], rename=True)  # type: ignore[misc]
        words = _Words(str(compiled), given, fixed, not compiled.positional, row._make, columns)
        self._words[dialect.name] = words
        return words


def _bound(of: TypeEngine[Any], dialect: Dialect) -> _Process:
    return of.dialect_impl(dialect).bind_processor(dialect)


def _result(of: TypeEngine[Any], dialect: Dialect) -> _Process:
    return of.dialect_impl(dialect).result_processor(dialect, None)


def _first(cursor: DBAPICursor, words: _Words) -> Any:
    row = cursor.fetchone()
    return None if row is None else words.row(row)


def _all(cursor: DBAPICursor, words: _Words) -> list[Any]:
    return [words.row(row) for row in cursor.fetchall()]


def _count(cursor: DBAPICursor, words: _Words) -> int:
    return cursor.rowcount


def _told(
    connection: Connection, words: _Words, error: Exception, cursor: DBAPICursor | None
) -> BaseException:
    """The driver's error as SQLAlchemy tells it. If the connection has broken, nobody gets it again."""
    dialect = connection.dialect
    driver = None if connection.invalidated else connection.connection.dbapi_connection
    broken = driver is not None and dialect.is_disconnect(error, driver, cursor)  # type: ignore[arg-type]
    if broken:
        connection.invalidate(error)
    return DBAPIError.instance(
        words.text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=broken,
        dialect=dialect,
    )
