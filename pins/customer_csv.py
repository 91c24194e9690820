"""A sheet of customers as CSV: bytes to rows of cells and back. What the cells mean is not known here.

Made for what spreadsheets really write: UTF-8 with and without its mark, UTF-16, commas, semicolons or
tabs, an apostrophe before what must stay text. A cell that a spreadsheet would take for a formula is
refused on the way in and guarded by an apostrophe on the way out; reading takes exactly that one away.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LARGEST = 20_000_000
MOST_ROWS = 50_000
# What begins a formula, in full width too.
_FORMULA = frozenset("=+-@\t\r＝＋－＠")
# An apostrophe before one of these was put there to keep the cell as text.
_KEPT_AS_TEXT = _FORMULA | frozenset("'0123456789")
# A telephone number, or several, begins like a formula and is none.
_PHONES = re.compile(r"\+[0-9][0-9+() ./|\r\n\xa0-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What is not UTF-8 becomes one of these, so that the cell it stands in can be named.
_UNDECODED = re.compile(r"[\udc80-\udcff]")
_NOT_UTF8 = "it is not UTF-8: save the file as “CSV UTF-8”"
SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a cell, and what is expected; `row` as a spreadsheet counts, the header is 1.

    `column` is empty where the whole row, or the file, is meant. `why` is for the command line, `reason` and
    its `facts` for whoever says it in words of his own.
    """

    row: int
    column: str
    why: str
    reason: str = field(default="", compare=False)
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"row {self.row}, {self.column}: {self.why}" if self.column else f"row {self.row}: {self.why}"


@dataclass(frozen=True)
class Record:
    """One row: its cells by column, without blanks at their ends."""

    row: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    columns: tuple[str, ...]
    records: tuple[Record, ...]
    mistakes: tuple[Mistake, ...]


def read(data: bytes, column_of: Callable[[str], str | None], numbers: Iterable[str] = ()) -> Sheet:
    """The rows of a CSV file, and everything that is wrong with the file itself.

    `column_of` says which column a heading names; in those of `numbers` a cell may begin with `+`.
    A cell with a mistake is left out of its record. Rows of empty cells are passed over; cells missing
    at the end of a row are empty.
    """
    if len(data) > LARGEST:
        most = LARGEST // 1_000_000
        return _unreadable(f"the file is larger than {most} MB", "file-large", most=most)
    text = _decoded(data)
    if not text.strip():
        return _unreadable("the file is empty: expected a row of headings", "file-empty")
    if "\0" in text.partition("\n")[0]:
        return _unreadable(_NOT_UTF8, "not-utf8")
    records: list[Record] = []
    mistakes: list[Mistake] = []
    columns: tuple[str, ...] = ()
    row = 0
    try:
        separator = _separator(text, column_of)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for row, cells in enumerate(rows, start=1):
            if row == 1:
                columns, wrong = _header(cells, column_of)
                if wrong:
                    return Sheet(columns, (), tuple(wrong))
            elif row > MOST_ROWS + 1:
                mistakes.append(
                    Mistake(row, "", f"a file has at most {MOST_ROWS} rows", "rows", {"most": MOST_ROWS})
                )
                break
            elif any(cell.strip() for cell in cells):
                record, found = _record(row, cells, columns, frozenset(numbers))
                records.append(record)
                mistakes += found
    except csv.Error:
        why = "the quotes of its cells do not match, or a cell is endless"
        mistakes.append(Mistake(row + 1, "", why, "quotes"))
    return Sheet(columns, tuple(records), tuple(mistakes))


def write(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Iterable[str] = (),
    *,
    separator: str = ",",
    guard_numbers: bool = False,
) -> str:
    """CSV that `read` reads back as it was.

    In the columns of `numbers` a cell that begins with `+` is guarded only if `guard_numbers`: programs
    read it more easily without, and a spreadsheet would make one large figure of it.
    """
    plain = frozenset() if guard_numbers else frozenset(numbers)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        pairs = zip(columns, row, strict=True)
        writer.writerow([cell if column in plain else _guard(cell) for column, cell in pairs])
    return out.getvalue()


def _unreadable(why: str, reason: str, **facts: Any) -> Sheet:
    return Sheet((), (), (Mistake(1, "", why, reason, facts),))


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:  # it ends in the middle of a character
            return data[: error.start].decode("utf-16") + "\udc80"
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")


def _separator(text: str, column_of: Callable[[str], str | None]) -> str:
    """The one by which most headings are known."""

    def known(separator: str) -> int:
        heading = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        return sum(column_of(cell) is not None for cell in heading)

    return max(SEPARATORS, key=known)


def _header(
    cells: Sequence[str], column_of: Callable[[str], str | None]
) -> tuple[tuple[str, ...], list[Mistake]]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    columns: list[str] = []
    mistakes = []
    for cell in cells:
        column = column_of(cell)
        if column is None:
            shown = _CONTROL.sub(" ", _UNDECODED.sub("\ufffd", cell)).strip()[:60]
            why = "no column of this name is known"
            mistakes.append(Mistake(1, shown or "a heading", why, "heading-unknown"))
        elif column in columns:
            mistakes.append(Mistake(1, column, "this column is there twice", "heading-twice"))
        else:
            columns.append(column)
    if "name" not in columns:
        mistakes.append(Mistake(1, "name", "this column is missing", "heading-missing"))
    return tuple(columns), mistakes


def _record(
    row: int, cells: Sequence[str], columns: Sequence[str], numbers: frozenset[str]
) -> tuple[Record, list[Mistake]]:
    if any(cell.strip() for cell in cells[len(columns) :]):
        why = f"it has {len(cells)} cells, the header has {len(columns)}"
        counts = {"cells": len(cells), "headings": len(columns)}
        return Record(row, {}), [Mistake(row, "", why, "cells", counts)]
    found: dict[str, str] = {}
    mistakes = []
    for place, column in enumerate(columns):
        cell = cells[place] if place < len(cells) else ""
        if wrong := _wrong(cell, number=column in numbers):
            mistakes.append(Mistake(row, column, *wrong))
        else:
            found[column] = _unguard(cell.strip()).strip()
    return Record(row, found), mistakes


def _wrong(cell: str, *, number: bool) -> tuple[str, str, Mapping[str, Any]] | None:
    """What is wrong with a cell, whatever it means: why, the reason's name, and its facts."""
    if _UNDECODED.search(cell):
        return _NOT_UTF8, "not-utf8", {}
    if _CONTROL.search(cell):
        return "it holds a control character", "control", {}
    first = next((c for c in (cell[:1], cell.strip()[:1]) if c in _FORMULA), "")
    if not first or (number and _PHONES.fullmatch(cell.strip())):
        return None
    shown = {"\t": "a tab", "\r": "a line break"}.get(first, first)
    why = f"it begins with {shown} like a formula: put an apostrophe before it if it is text"
    return why, "formula", {}


def _guard(cell: str) -> str:
    return f"'{cell}" if cell[:1] in _FORMULA or _unguard(cell) != cell else cell


def _unguard(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _KEPT_AS_TEXT else cell
