"""Files that people bring: configuration, customers, rota, calendars. Whatever stands in one, it is taken
whole, or refused with what is wrong and where; never a traceback, never half of it, never a secret in what is
said.

`FULL=1` tries many more.
"""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from making import (
    ACCOUNT,
    EXAMPLE,
    NIGHT,
    PEPPER,
    ROTA,
    SALT,
    SEAL,
    TOKEN,
    configuration,
    fresh_database,
    staff,
    utc,
    with_lines,
)
from whole import Ledger, Whole

from console.commands import ivr
from console.house import rules
from console.settings import Configuration, ConfigurationRefused, load
from pins import customers
from storage.engine import Database

FULL = os.environ.get("FULL") == "1"
some = settings(
    max_examples=400 if FULL else 60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


# -- what may stand anywhere --------------------------------------------------------------------

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    st.sampled_from(
        [
            *(
                "",
                " ",
                "\n",
                "\x00",
                "=1+1",
                "-2+3",
                "@x",
                "+390461825060",
                "<script>",
                "{x}",
                "{0.__class__}",
                "%s",
            ),
            *(
                "../../etc/passwd",
                "/dev/zero",
                "file:///etc/passwd",
                "127.0.0.1:8080",
                "https://x",
                "http://[::1",
            ),
            *(
                "²²",
                "٢٠٢٦",
                "18:30-08:00",
                "24:00",
                "18:30",
                "Europe/Rome",
                "../Rome",
                "1 week",
                "0 days",
                "anna",
            ),
            *("a" * 300, "9" * 5000, "\u202e", "\U0001f4de", "IT/TN", "monday", "2026-02-30", "P1+", "duty"),
        ]
    ),
)
values = st.recursive(
    st.one_of(
        texts,
        st.integers(),
        st.sampled_from([0, -1, 1, 60, 10**9, 2**63, 10**400, 1.5, float("inf"), float("nan"), -0.0]),
        st.booleans(),
        st.sampled_from(
            [
                date(1, 1, 1),
                date(9999, 12, 31),
                date(2026, 1, 5),
                datetime(2026, 3, 29, 2, 30),  # noqa: DTZ001 (TOML knows times without a zone)
                clock_time(23, 59),
            ]
        ),
        st.just(datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
# What is beyond any reader of TOML, each in its own way.
BEYOND = (
    "a = " + "[" * 20_000,
    "a = " + "9" * 5_000,
    "a = " + "{b=" * 5_000,
    "a." * 5_000 + "b = 1",
    "[a" + ".b" * 5_000 + "]\nx = 1",
    "a = 0x" + "f" * 20_000,
    "a = 1e99999",
    '"\\ud800" = 1',
    "a = 1\na = 2",
    "\ufeff[service]",
    "[[number]]\n[number]",
    "a = '''",
)


def toml(value: Any) -> str:
    """A value in TOML's notation."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(toml(each) for each in value) + "]"
        case datetime() | date() | clock_time():
            return value.isoformat()
        case _:
            return repr(value)


def document(content: dict[str, Any]) -> str:
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in content.items())


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every table or list with each of its keys or places."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(items):
        yield value, key
        yield from places(each)


@st.composite
def bent(draw: st.DrawFn, sound: str) -> str:
    """A sound document with some of its values left out, doubled, renamed, or replaced by others."""
    content = tomllib.loads(sound)
    for _ in range(draw(st.integers(1, 4))):
        where, key = draw(st.sampled_from(list(places(content)) or [(content, "x")]))
        match draw(st.integers(0, 5)):
            case 0:
                where.pop(key, None) if isinstance(where, dict) else where.pop(key)
            case 1 if isinstance(where, list):
                where.append(where[key])
            case 1 | 2 if isinstance(where, dict):
                where[draw(texts)] = where.get(key, 1)
            case _:
                where[key] = draw(values)
        if not content:
            break
    return document(content)


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """The bytes of a sound file with some of them changed."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 9))] = draw(
            st.binary(max_size=6)
            | st.sampled_from([b'"', b"\n", b"=", b"[", b",", b";", b"\x00", b"\xff", b"\r"])
        )
    return bytes(content)


# -- the configuration ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples."""
    return tmp_path_factory.mktemp("nasty")


FILLED = with_lines(
    EXAMPLE.read_text(encoding="utf-8"),
    public_url='"https://ivr.example.net"',
    account_sid=f'"{ACCOUNT}"',
    auth_tokens=f'["{TOKEN}"]',
    keys=f'["{SEAL}"]',
    peppers=f'["{PEPPER}"]',
    salt=f'"{SALT}"',
)


def loaded(folder: Path, content: bytes) -> Configuration | None:
    """The configuration, or None if it was refused as it should be."""
    path = folder / "config.toml"
    path.write_bytes(content)
    try:
        return load(path, {})
    except ConfigurationRefused as refused:
        mistakes, said = refused.mistakes, f"{refused} {refused.mistakes}"
    assert mistakes
    for mistake in mistakes:
        assert mistake.startswith(str(path)) or re.match(r".+: .+", mistake, re.DOTALL), mistake
    for secret in (TOKEN, SEAL, PEPPER, SALT):
        assert secret[:12] not in said
    return None


def usable(found: Configuration) -> None:
    """What was taken can be worked with: no value is left to fail when the telephone rings."""
    built = rules(found)
    for number in found.number:
        found.hours.build(found.zone, number.holidays).at(NIGHT)
        assert built.languages_of(number.number)
    found.missing_for_calls()
    assert TOKEN[:12] not in repr(found)


@some
@given(text=bent(FILLED))
def test_any_configuration_is_taken_or_refused_by_its_paths(text: str, folder: Path) -> None:
    found = loaded(folder, text.encode("utf-8", "replace"))
    if found is not None:
        usable(found)


@some
@given(content=damaged(FILLED.encode()))
def test_a_damaged_configuration_is_taken_or_refused(content: bytes, folder: Path) -> None:
    found = loaded(folder, content)
    if found is not None:
        usable(found)


@pytest.mark.parametrize("text", BEYOND, ids=range(len(BEYOND)))
def test_no_configuration_is_beyond_being_refused(text: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, text.encode("utf-8", "surrogatepass")) is None


# -- a house that files are brought to -----------------------------------------------------------


class Counter:
    """The command line of a house with customers and a rota; nothing that is refused may leave a trace."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.ledger = folder, Ledger(database)

    def bring(self, name: str, content: bytes, *before: str, after: tuple[str, ...] = ()) -> Result:
        """`ivr BEFORE FILE AFTER`. Either it is done, or one line says why not and nothing has changed."""
        file = self.folder / name
        file.write_bytes(content)
        standing = self.standing
        arguments = ["--config", str(self.folder / "config.toml"), *before, str(file), *after]
        with time_machine.travel(NIGHT, tick=False):
            result = CliRunner().invoke(ivr, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert result.exit_code in (0, 1), result.output
        if result.exit_code:
            assert len(result.stderr.splitlines()) == 1, result.stderr
            assert result.stderr.startswith("ivr: ")
            assert not self.standing.unlike(standing)
        return result

    @property
    def standing(self) -> Whole:
        return self.ledger.whole()


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    folder = tmp_path_factory.mktemp("house")
    configuration(folder)
    with fresh_database(folder) as database:
        with database.write() as connection:
            staff(connection, utc("2026-01-01 00:00"))
            for name in ("Acme", "Malga"):
                customers.add_customer(connection, "test", utc("2026-01-01 00:00"), name, code=name.upper())
        made = Counter(folder, database)
        yield made
        made.ledger.close()


# -- customers -------------------------------------------------------------------------------------

SHEET = (
    "code;name;language;coverage;contract_from;contract_until;minutes;phones;sites;email;letters_by_email;notes\n"
    "ACME;Acme S.r.l.;it;contract;1/1/2026;31.12.2026;;0461 825060;Sede: Via Roma 1;a@example.net;sì;\n"
    "BAITA;Baita;de;prepaid;2026-01-01;;300;+393471112203;;;no;righe\n"
)
HEADINGS = (
    "code",
    "name",
    "nome",
    "telefoni",
    "minutes",
    "scadenza",
    "note",
    "E-mail",
    "",
    "Unbekannt",
    "=code",
)
cells = st.one_of(
    texts,
    st.sampled_from(
        [
            *(
                "ACME",
                "acme",
                "MALGA",
                "0461 825060",
                "+390461825060|+390461825060",
                "31/12/2026",
                "99.99.9999",
            ),
            *(
                "1.200,00",
                "1e5",
                "-1",
                "sì",
                "contract",
                "=HYPERLINK(1)",
                "'=1",
                '"',
                '""',
                "\t",
                "a;b",
                "\ufeff",
            ),
        ]
    ),
)


@st.composite
def sheets(draw: st.DrawFn) -> bytes:
    separator, end = draw(st.sampled_from([",", ";", "\t"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    columns = draw(st.lists(st.sampled_from(HEADINGS), min_size=1, max_size=5))
    rows = draw(st.lists(st.lists(cells, max_size=6), max_size=6))
    quoted = draw(st.booleans())

    def line(row: list[str]) -> str:
        return separator.join('"' + cell.replace('"', '""') + '"' if quoted else cell for cell in row)

    text = end.join(line(row) for row in [columns, *rows])
    return text.encode(
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])), "replace"
    )


@some
@given(content=sheets() | damaged(SHEET.encode()) | st.binary(max_size=60))
@example(content=b"")
@example(content=b"\xff\xfe")
@example(content=b"name\n" + b'"' * 9999)
@example(content=b"name;" * 3000)
@example(content=b"name\n" + b"x" * 200_000)
@example(content=b"name\x00code\nA\x00B")
@example(content=b"code,name\nA,B\nA,B\nA,B")
@example(content=b"minutes,name\n" + b"9" * 5000 + b",x")
def test_any_sheet_is_imported_whole_or_refused_by_its_rows(content: bytes, counter: Counter) -> None:
    result = counter.bring("sheet.csv", content, "customer", "import")
    if result.exit_code:
        assert re.search(r"row [0-9]+|nothing was written|sheet\.csv", result.stderr), result.stderr


# -- the rota file ---------------------------------------------------------------------------------


@some
@given(content=bent(ROTA).map(lambda text: text.encode("utf-8", "replace")) | damaged(ROTA.encode()))
@example(content=b"")
@example(content=b"\xff")
def test_any_rota_is_applied_whole_or_refused_by_its_paths(content: bytes, counter: Counter) -> None:
    counter.bring("rota.toml", content, "rota", "apply")


@pytest.mark.parametrize("text", BEYOND, ids=range(len(BEYOND)))
def test_no_rota_is_beyond_being_refused(text: str, counter: Counter) -> None:
    content = text.encode("utf-8", "surrogatepass")
    assert counter.bring("rota.toml", content, "rota", "apply").exit_code == 1


# -- calendars -------------------------------------------------------------------------------------

LINES = {
    "DTSTART": (
        "20260401T090000Z",
        "20260401",
        "00010101T000000Z",
        "99991231T235959Z",
        "20260329T023000",
        "x",
        "",
    ),
    "DTSTART;VALUE=DATE": ("20260401", "20260230", "20260401T090000", "00000000"),
    "DTSTART;TZID=Europe/Rome": ("20260329T023000", "20261025T023000", "20260401"),
    "DTSTART;TZID=Nowhere/Land": ("20260401T090000",),
    "DTEND": ("20260402T090000Z", "20260301T090000Z", "99991231T235959Z", "x"),
    "DURATION": ("P1D", "-P1D", "P999999999D", "PT0S", "P1W2D", "x", "PT99999999999999H"),
    "RRULE": (
        *(
            "FREQ=DAILY",
            "FREQ=SECONDLY",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;COUNT=999999999",
            "FREQ=YEARLY",
        ),
        *(
            "FREQ=DAILY;UNTIL=99991231",
            "FREQ=MONTHLY;BYDAY=5MO,-5MO",
            "FREQ=DAILY;BYHOUR=0,1,2;BYMINUTE=0,1,2",
            "x",
        ),
        *(
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=DAILY;INTERVAL=999999999999",
            "FREQ=WEEKLY;BYDAY=MO,XX",
        ),
    ),
    "RDATE": ("20260402T090000Z," * 50 + "20260403T090000Z", "x", "20260401"),
    "EXDATE": ("20260402T090000Z", "x"),
    "RECURRENCE-ID": ("20260401T090000Z", "x"),
    "UID": ("a", "", "x" * 2000, "a\\nb", "../../x"),
    "SUMMARY": ("Mare", "<script>", "x" * 5000, "\\", ";;;,,,"),
    "STATUS": ("CANCELLED", "x"),
    "CATEGORIES": ("Ferie", ",,,", "x"),
    "BEGIN": ("VALARM", "VEVENT", "VTIMEZONE", "VCALENDAR"),
    "END": ("VEVENT", "VALARM"),
    "ATTACH;ENCODING=BASE64;VALUE=BINARY": ("x" * 400, "!!!!"),
    "X-;=": ("x",),
    "": ("no name",),
}


@st.composite
def calendars(draw: st.DrawFn) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for _ in range(draw(st.integers(1, 4))):
        lines += ["BEGIN:VEVENT"]
        for name in draw(st.lists(st.sampled_from(sorted(LINES)), max_size=6)):
            lines.append(f"{name}:{draw(st.sampled_from(LINES[name]) | texts)}")
        lines += ["END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode("utf-8", "replace")


WEEK_OFF = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:week@x\r\nDTSTART;VALUE=DATE:20260401\r\n"
    b"DTEND;VALUE=DATE:20260408\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@some
@given(content=calendars() | damaged(WEEK_OFF))
@example(content=b"")
@example(content=b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 5000 + b"END:VCALENDAR")
@example(content=b"BEGIN:VCALENDAR\r\n" + b" x" * 100_000 + b"\r\nEND:VCALENDAR")
def test_any_calendar_is_followed_whole_or_refused_soon(content: bytes, counter: Counter) -> None:
    begun = time.process_time()
    counter.bring("anna.ics", content, "rota", "absences-from", after=("--technician", "anna"))
    assert time.process_time() - begun < 15
