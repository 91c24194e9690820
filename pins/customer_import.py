"""Customers from a sheet and to a sheet: what each column means, and what a file would change.

A file is checked whole before anything is written: `plan` is pure, `apply` writes what was planned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from pins import customer_csv, customers
from pins.customer_card import (
    COVERAGES,
    FIELDS,
    LANGUAGES,
    Card,
    card_of,
    changed,
    clean,
    code_for,
    differences,
    faults_between_fields,
    faults_of_fields,
    fields_of,
    site_of,
)
from pins.customer_csv import Mistake, Record
from pins.customers import Customer
from storage import audit

# Columns by every heading they go by, in three languages: small letters, words joined by one blank.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "code": ("code", "codice", "customer code", "codice cliente", "kürzel", "kundenkürzel"),
    "name": (
        *("name", "nome", "customer", "cliente", "ragione sociale", "denominazione"),
        *("kunde", "firma"),
    ),
    "spoken_name": (
        *("spoken name", "nome parlato", "nome pronunciato", "pronuncia"),
        *("gesprochener name", "aussprache"),
    ),
    "language": ("language", "lingua", "sprache"),
    "coverage": ("coverage", "copertura", "deckung"),
    "contract_from": (
        *("contract from", "contratto dal", "contratto da", "inizio contratto"),
        *("vertrag von", "vertrag ab", "vertragsbeginn"),
    ),
    "contract_until": (
        *("contract until", "contratto al", "contratto fino al", "fine contratto", "scadenza"),
        *("vertrag bis", "vertragsende"),
    ),
    "minutes": ("minutes", "minutes left", "minuti", "minuti residui", "minuten", "restminuten"),
    "phones": ("phones", "phone", "telefoni", "telefono", "numeri", "telefon", "telefone"),
    "sites": ("sites", "site", "sedi", "sede", "standorte", "standort"),
    "address": ("address", "indirizzo", "anschrift", "adresse"),
    "email": ("email", "e mail", "posta elettronica"),
    "letters_by_email": (
        *("letters by email", "letters by e mail", "lettere per email", "lettere per e mail"),
        *("briefe per email", "briefe per e mail"),
    ),
    "notes": ("notes", "note", "notizen", "bemerkungen"),
}
_COLUMNS = {heading: column for column, headings in HEADINGS.items() for heading in headings}
# Cells of these may begin with `+`.
NUMBERS = ("phones",)

_WORDS: Mapping[str, Mapping[str, Any]] = {
    "coverage": {
        **{coverage: coverage for coverage in COVERAGES},
        "contratto": "contract",
        "prepagato": "prepaid",
        "pacchetto": "prepaid",
        "pacchetto a scalare": "prepaid",
        "nessuna": "none",
        "nessuno": "none",
        "vertrag": "contract",
        "paket": "prepaid",
        "keine": "none",
    },
    "language": {
        **{language: language for language in LANGUAGES},
        "italiano": "it",
        "italian": "it",
        "inglese": "en",
        "english": "en",
        "tedesco": "de",
        "german": "de",
        "italienisch": "it",
        "englisch": "en",
        "deutsch": "de",
    },
    "letters_by_email": {
        **dict.fromkeys(("yes", "sì", "si", "ja", "true", "vero", "1", "x"), True),
        **dict.fromkeys(("no", "nein", "false", "falso", "0", ""), False),
    },
}
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ITALIAN = re.compile(r"([0-9]{1,2})([/.])([0-9]{1,2})\2([0-9]{4})")
_WHOLE = re.compile(r"(?:[0-9]{1,9}|[0-9]{1,3}(?:([., '’\xa0\u202f])[0-9]{3})(?:\1[0-9]{3})?)(?:[.,]0{1,2})?")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
_BETWEEN_DIGITS = re.compile(r"[\s()./\xa0\u202f-]")
_SEVERAL = re.compile(r"[|\r\n]")


# A telephone number without its country's code, in E.164. Raises ValueError for what is none.
National = Callable[[str], str]


class Unreadable(Exception):
    """A text does not say what its field expects. The text of the exception says what is expected; `reason`
    and its `facts` are for whoever says it in words of his own.
    """

    def __init__(self, why: str, reason: str, **facts: Any) -> None:
        super().__init__(why)
        self.reason, self.facts = reason, facts


@dataclass
class Plan:
    """What a file would do. With a mistake it does nothing."""

    added: list[Card] = field(default_factory=list)
    changed: list[tuple[Customer, Card]] = field(default_factory=list)
    unchanged: int = 0
    mistakes: list[Mistake] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    """A row that was read: the card it makes, and of which customer, if he is there already."""

    number: int
    card: Card
    before: Customer | None
    coded: bool


def column_of(heading: str) -> str | None:
    """The column a heading names, in any of the three languages; None if it is none of ours."""
    return _COLUMNS.get(" ".join(re.sub(r"[_\s-]+", " ", heading).casefold().split()))


def plan(data: bytes, existing: Sequence[Customer], national: National) -> Plan:
    """What the CSV file `data` would do to the customers there are, or everything that is wrong with it.

    A row with a code changes the customer of that code, if there is one; any other row adds a customer.
    A column that is not there leaves its field as it is; an empty cell empties it. `national` reads
    telephone numbers without a country's code.
    """
    sheet = customer_csv.read(data, column_of, NUMBERS)
    made = Plan(mistakes=list(sheet.mistakes))
    wrong = {(mistake.row, mistake.column) for mistake in sheet.mistakes}
    by_code = {customer.code: customer for customer in existing}
    # A code that is made up must not be one that a later row gives.
    taken = {*by_code, *(record.cells.get("code", "").upper() for record in sheet.records)}
    rows = []
    for record in sheet.records:
        columns = {column for column in sheet.columns if (record.row, column) in wrong}
        if record.cells:
            rows.append(_row(record, by_code, taken, national, columns, made.mistakes))
    _check_among_rows(rows, existing, made.mistakes)
    if made.mistakes:
        made.mistakes = _once_a_cell(made.mistakes)
        return made
    for row in rows:
        if row.before is None:
            made.added.append(row.card)
        elif differences(row.before, row.card):
            made.changed.append((row.before, row.card))
        else:
            made.unchanged += 1
    return made


def apply(connection: Connection, actor: str, at: datetime, made: Plan) -> None:
    """Write what was planned: all of it, with one act for the file and one for each customer."""
    assert not made.mistakes
    counts = {"added": len(made.added), "changed": len(made.changed), "unchanged": made.unchanged}
    audit.record(connection, actor, at, "customer.import", "customers", details=counts)
    customers.write(connection, actor, at, added=made.added, changed=made.changed)


def export(found: Sequence[Customer], *, for_spreadsheet: bool = False) -> str:
    """All customers as CSV that `plan` reads back and finds unchanged.

    With commas, for programs; `for_spreadsheet`: with what a spreadsheet set to Italian opens rightly.
    """
    rows = [[_written(value) for value in fields_of(each).values()] for each in found]
    separator = ";" if for_spreadsheet else ","
    text = customer_csv.write(FIELDS, rows, NUMBERS, separator=separator, guard_numbers=for_spreadsheet)
    return f"\ufeff{text}" if for_spreadsheet else text


def _written(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple():
            return " | ".join(str(each) for each in value)
        case _:
            return str(value)


# -- a row -------------------------------------------------------------------------------------


def _row(
    record: Record,
    by_code: Mapping[str, Customer],
    taken: set[str],
    national: National,
    wrong: set[str],
    mistakes: list[Mistake],
) -> _Row:
    """The card a row makes. What is wrong with it goes into `mistakes`; that field is then passed over.

    `wrong` are its columns whose cells were no text to begin with.
    """
    code = record.cells.get("code", "").upper()
    before = by_code.get(code)
    given: dict[str, Any] = {}
    for column, cell in record.cells.items():
        try:
            given[column] = meant(column, cell, national, new=before is None)
        except Unreadable as why:
            mistakes.append(Mistake(record.row, column, str(why), why.reason, why.facts))
            wrong.add(column)
    if before:
        card = changed(before, given)
    else:
        given["code"] = code or code_for(clean(given.get("name", "")), taken)
        taken.add(given["code"])
        card = card_of({"name": "", **given})
    found = [fault for fault in faults_of_fields(card) if fault.field not in wrong]
    found = found or ([] if wrong else faults_between_fields(card))
    mistakes += [Mistake(record.row, fault.field, fault.why, fault.reason, fault.facts) for fault in found]
    return _Row(record.row, card, before, bool(code) or "code" in wrong)


def _check_among_rows(rows: Sequence[_Row], existing: Sequence[Customer], mistakes: list[Mistake]) -> None:
    """Whose code, name or phone is another's too: as things would stand once the file was written."""
    in_file = {row.before.id for row in rows if row.before}
    others = [customer for customer in existing if customer.id not in in_file]
    codes: dict[str, int] = {}
    owners: dict[str, str] = {phone: customer.code for customer in others for phone in customer.phones}
    names = {customer.name: f"customer {customer.code}" for customer in others}
    named = [row for row in rows if row.coded] + [row for row in rows if not row.coded]
    for row in sorted(rows, key=lambda row: row.number):
        first = codes.setdefault(row.card.code, row.number)
        if first != row.number:
            why = f"{row.card.code} stands in row {first} too"
            mistakes.append(
                Mistake(row.number, "code", why, "code-twice", {"code": row.card.code, "row": first})
            )
            continue
        for phone in row.card.phones:
            owner = owners.setdefault(phone, row.card.code)
            if owner != row.card.code:
                why = f"{phone} stands on the file of customer {owner} too"
                facts = {"phone": phone, "code": owner}
                mistakes.append(Mistake(row.number, "phones", why, "phone-taken", facts))
                break
    for row in named:
        if row.coded or not row.card.name:
            names.setdefault(row.card.name, f"row {row.number}")
        elif (other := names.setdefault(row.card.name, f"row {row.number}")) != f"row {row.number}":
            why = f"{row.card.name!r} is the name of {other}: give the row a code, its own or a new one"
            mistakes.append(Mistake(row.number, "name", why, "name-taken", {"name": row.card.name}))


def _once_a_cell(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """By row; of several about one cell the first, for the others follow from it."""
    first: dict[tuple[int, str], Mistake] = {}
    for mistake in sorted(mistakes, key=lambda mistake: mistake.row):
        first.setdefault((mistake.row, mistake.column), mistake)
    return list(first.values())


# -- what a cell means -------------------------------------------------------------------------


def meant(column: str, cell: str, national: National, *, new: bool) -> Any:
    """The value that a text gives the field `column`: a cell's, or a form's. Raises Unreadable."""
    if column == "coverage" and not cell:
        if new:
            return "contract"
        raise Unreadable(f"a coverage is not emptied: expected {', '.join(COVERAGES)}", "coverage-emptied")
    if column == "language" and not cell:
        return None
    if column in _WORDS:
        words = _WORDS[column]
        if cell.casefold() not in words:
            expected = "yes or no" if column == "letters_by_email" else ", ".join(sorted({*words.values()}))
            reason = "yes-no" if column == "letters_by_email" else f"word-{column}"
            raise Unreadable(f"{_shown(cell)}: expected {expected}", reason, cell=_shown(cell))
        return words[cell.casefold()]
    return _READ.get(column, _text)(cell, national)


def _text(cell: str, national: National) -> str:
    return cell


def _day(cell: str, national: National) -> date | None:
    if not cell:
        return None
    if found := _ISO.fullmatch(cell):
        year, month, day = (int(part) for part in found.groups())
    elif found := _ITALIAN.fullmatch(cell):
        day, month, year = int(found[1]), int(found[3]), int(found[4])
    else:
        why = f"{_shown(cell)}: expected a date such as 2026-12-31 or 31/12/2026"
        raise Unreadable(why, "day-form", cell=_shown(cell))
    try:
        return date(year, month, day)
    except ValueError:
        order = "year-month-day" if _ISO.fullmatch(cell) else "day/month/year"
        why = f"{_shown(cell)} is no date: expected {order}"
        raise Unreadable(why, "no-day", cell=_shown(cell)) from None


def _minutes(cell: str, national: National) -> int | None:
    if not cell:
        return None
    found = _WHOLE.fullmatch(cell)
    if not found:
        why = f"{_shown(cell)}: expected whole minutes, such as 300 or 1.200"
        raise Unreadable(why, "minutes-form", cell=_shown(cell))
    whole = re.sub(r"[.,]0{1,2}$", "", cell)
    return int(re.sub(r"[^0-9]", "", whole))


def _phones(cell: str, national: National) -> tuple[str, ...]:
    return tuple(_phone(part.strip(), national) for part in _SEVERAL.split(cell) if part.strip())


def _phone(written: str, national: National) -> str:
    written = written.removeprefix("'")
    if _SCIENTIFIC.fullmatch(written):
        why = "a spreadsheet has made a figure of a telephone number: make the column text, write it again"
        raise Unreadable(f"{_shown(written)}: {why}", "phone-figure", cell=_shown(written))
    digits = _BETWEEN_DIGITS.sub("", written)
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    expected = "expected +390461123456, or 0461 123456; several separated by |"
    if not re.fullmatch(r"\+?[0-9]{5,17}", digits):
        why = f"{_shown(written)} is not a telephone number: {expected}"
        raise Unreadable(why, "phone-form", cell=_shown(written))
    if digits.startswith("+"):
        return digits
    try:
        return national(digits)
    except ValueError:
        why = f"no number of this country (a spreadsheet drops the 0 at the beginning): {expected}"
        raise Unreadable(f"{_shown(written)} is {why}", "phone-national", cell=_shown(written)) from None


def _places(cell: str, national: National) -> tuple[Any, ...]:
    return tuple(site_of(part) for part in _SEVERAL.split(cell) if part.strip())


def _shown(cell: str) -> str:
    return repr(clean(cell)[:60])


_READ: Mapping[str, Callable[[str, National], Any]] = {
    "contract_from": _day,
    "contract_until": _day,
    "minutes": _minutes,
    "phones": _phones,
    "sites": _places,
}
