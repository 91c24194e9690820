"""Absences read from calendars: what counts, against another reader; what follows; and what is fetched."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import recurring_ical_events
import trustme
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from making import ACTOR, NIGHT, ROME, configuration, fresh_database, opened_at, rome, staff, utc
from pydantic import SecretStr
from sqlalchemy import select

import console.outbound.calendar_fetch
from console.commands.common import Context
from console.commands.feeds import absences_from
from console.house import House
from console.outbound.calendar_fetch import FetchFailed, Outside, fetch, is_public
from console.processes.worker import tick
from console.work import APART, HANDLERS, calendars
from oncall.calendars.calendar_absences import Brought, bring
from oncall.calendars.calendar_import import AHEAD, CalendarRefused, read
from oncall.rota import absences
from oncall.rota.rota_book import book
from oncall.settings import CalendarSettings
from oncall.tables import absences as rows
from storage.engine import Database
from storage.tables import due_work

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def document(*entries: str) -> bytes:
    """A calendar of these entries, each the lines of a VEVENT."""
    body = "".join(
        "BEGIN:VEVENT\r\nDTSTAMP:20260101T000000Z\r\n"
        + "".join(f"{line.strip()}\r\n" for line in entry.strip().splitlines())
        + "END:VEVENT\r\n"
        for entry in entries
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{body}END:VCALENDAR\r\n".encode()


def found(*entries: str, at: datetime = NIGHT) -> list[tuple[datetime, datetime, str]]:
    return [(away.start, away.end, away.kind) for away in read(document(*entries), ROME, at)]


WEEK_OFF = """
UID:week@x
DTSTART;VALUE=DATE:20260401
DTEND;VALUE=DATE:20260408
SUMMARY:Mare
CATEGORIES:Ferie
"""
DENTIST = """
UID:dentist@x
DTSTART;TZID=Europe/Rome:20260415T090000
DTEND;TZID=Europe/Rome:20260415T113000
"""

# -- what counts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "start", "end"),
    [
        (WEEK_OFF, rome("2026-04-01 00:00"), rome("2026-04-08 00:00")),
        (DENTIST, rome("2026-04-15 09:00"), rome("2026-04-15 11:30")),
        ("UID:a\nDTSTART:20260415T070000Z\nDURATION:PT90M", utc("2026-04-15 07:00"), utc("2026-04-15 08:30")),
        # A day without an end is that day; a time without a zone is ours.
        ("UID:a\nDTSTART;VALUE=DATE:20260415", rome("2026-04-15 00:00"), rome("2026-04-16 00:00")),
        ("UID:a\nDTSTART:20260415T090000\nDURATION:PT1H", rome("2026-04-15 09:00"), rome("2026-04-15 10:00")),
        # Another zone's clock; and days over both changes of ours.
        (
            "UID:a\nDTSTART;TZID=America/New_York:20260415T090000\nDURATION:PT1H",
            utc("2026-04-15 13:00"),
            utc("2026-04-15 14:00"),
        ),
        ("UID:a\nDTSTART;VALUE=DATE:20260329", utc("2026-03-28 23:00"), utc("2026-03-29 22:00")),
        ("UID:a\nDTSTART;VALUE=DATE:20261025", utc("2026-10-24 22:00"), utc("2026-10-25 23:00")),
        # It has begun already.
        (
            "UID:a\nDTSTART;VALUE=DATE:20260309\nDURATION:P5D",
            rome("2026-03-09 00:00"),
            utc("2026-03-13 23:00"),
        ),
    ],
)
def test_an_entry_is_an_absence(entry: str, start: datetime, end: datetime) -> None:
    assert [each[:2] for each in found(entry)] == [(start, end)]


@pytest.mark.parametrize(
    "more",
    [
        "STATUS:CANCELLED",
        "TRANSP:TRANSPARENT",
        "transp:transparent",
        "EXDATE;VALUE=DATE:20260401\nRRULE:FREQ=DAILY;COUNT=1",
    ],
)
def test_what_is_cancelled_or_free_is_none(more: str) -> None:
    assert found(WEEK_OFF + more) == []


@pytest.mark.parametrize(
    "entry",
    [
        "UID:a\nDTSTART;VALUE=DATE:20260309",  # over since yesterday
        "UID:a\nDTSTART;VALUE=DATE:20270420",  # further away than 400 days
        "UID:a\nDTSTART:20260415T090000Z",  # of no length
        "UID:a\nDTSTART:20260415T090000Z\nDTEND:20260415T080000Z",
        "UID:a\nSUMMARY:of no time",
    ],
)
def test_what_is_over_far_away_or_of_no_length_is_none(entry: str) -> None:
    assert found(entry) == []


@pytest.mark.parametrize(
    ("categories", "kind"),
    [
        ("Ferie", "holiday"),
        ("URLAUB", "holiday"),
        ("Work,holiday", "holiday"),
        ("Malattia", "other"),
        ("Feriengast", "other"),
        ("", "other"),
    ],
)
def test_its_kind_is_a_holiday_if_a_category_says_so(categories: str, kind: str) -> None:
    assert found(f"UID:a\nDTSTART;VALUE=DATE:20260415\nCATEGORIES:{categories}")[0][2] == kind


def test_nothing_else_of_it_is_kept() -> None:
    (away,) = read(document(WEEK_OFF), ROME, NIGHT)
    assert "Mare" not in repr(away)
    assert "week@x" not in repr(away)


def test_a_changed_and_a_cancelled_occurrence_stand_in_for_theirs() -> None:
    weekly = "UID:w\nDTSTART;TZID=Europe/Rome:20260316T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=4"
    moved = """UID:w
        RECURRENCE-ID;TZID=Europe/Rome:20260323T090000
        DTSTART;TZID=Europe/Rome:20260324T150000
        DURATION:PT2H"""
    gone = """UID:w
        RECURRENCE-ID;TZID=Europe/Rome:20260330T090000
        DTSTART;TZID=Europe/Rome:20260330T090000
        STATUS:CANCELLED"""
    assert [each[:2] for each in found(weekly, moved, gone)] == [
        (rome("2026-03-16 09:00"), rome("2026-03-16 10:00")),
        (rome("2026-03-24 15:00"), rome("2026-03-24 17:00")),
        (rome("2026-04-06 09:00"), rome("2026-04-06 10:00")),
    ]


# -- against another reader --------------------------------------------------------------------

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def repeating(draw: st.DrawFn) -> str:
    """An entry that repeats, by day or by time."""
    first = datetime(2019, 6, 1, 9, 30) + draw(st.integers(0, 2700)) * DAY  # noqa: DTZ001 (of a wall clock)
    first += draw(st.integers(0, 40)) * HOUR / 4
    rule = f"FREQ={draw(st.sampled_from(['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY']))}"
    rule += f";INTERVAL={draw(st.integers(1, 9))}" if draw(st.booleans()) else ""
    if "DAILY" in rule or "WEEKLY" in rule:
        rule += f";BYMONTH={draw(st.sampled_from(['1,12', '3', '7,8']))}" if draw(st.booleans()) else ""
    if "DAILY" in rule and draw(st.booleans()):
        rule += f";BYMONTHDAY={draw(st.sampled_from(['1,15', '-1,-3', '31', '29,-29']))}"
    if "WEEKLY" in rule and draw(st.booleans()):
        rule += f";WKST={draw(st.sampled_from(_DAYS))}"
    if ("WEEKLY" in rule or "DAILY" in rule) and draw(st.booleans()):
        rule += ";BYDAY=" + ",".join(sorted(draw(st.sets(st.sampled_from(_DAYS), min_size=1, max_size=3))))
    if "MONTHLY" in rule and draw(st.booleans()):
        rule += f";BYDAY={draw(st.sampled_from(['1', '2', '-1']))}{draw(st.sampled_from(_DAYS))}"
    if "MONTHLY" in rule and "BYDAY" not in rule and draw(st.booleans()):
        rule += f";BYMONTHDAY={draw(st.sampled_from([1, 15, 31, -1]))}"
    days = draw(st.booleans())
    match draw(st.sampled_from(["for ever", "count", "until"])):
        case "count":
            rule += f";COUNT={draw(st.integers(1, 30))}"
        case "until":
            last = first + draw(st.integers(1, 3000)) * DAY
            rule += f";UNTIL={last:%Y%m%d}" if days else f";UNTIL={last.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    if days:
        return f"UID:a\nDTSTART;VALUE=DATE:{first:%Y%m%d}\nDURATION:P{draw(st.integers(1, 3))}D\nRRULE:{rule}"
    length = draw(st.sampled_from(["PT30M", "PT10H", "P1DT2H"]))
    return f"UID:a\nDTSTART;TZID=Europe/Rome:{first:%Y%m%dT%H%M%S}\nDURATION:{length}\nRRULE:{rule}"


def in_rome(moment: Any) -> datetime:
    """A day or a time of the other reader, as an instant."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime(moment.year, moment.month, moment.day, tzinfo=ROME).astimezone(UTC)


@settings(max_examples=200, deadline=None)
@given(repeating())
def test_repetitions_are_those_that_another_reader_finds(entry: str) -> None:
    content = document(entry)
    ours = {(away.start, away.end) for away in read(content, ROME, NIGHT)}
    others = recurring_ical_events.of(Calendar.from_ical(content)).between(
        NIGHT - 4 * DAY, NIGHT + AHEAD + 4 * DAY
    )
    theirs = {(in_rome(each["DTSTART"].dt), in_rome(each["DTEND"].dt)) for each in others}
    assert ours == {(start, end) for start, end in theirs if end > NIGHT and start < NIGHT + AHEAD}


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin"),
        (b"hello", "does not begin"),
        (b"<html>BEGIN:VCALENDAR", "does not begin"),
        (b"\xff\xfe" + document(WEEK_OFF), "UTF-8"),
        (document(WEEK_OFF).replace(b"Mare", b"M\x00re"), "control characters"),
        (document(WEEK_OFF).replace(b"Mare", b"M\x1b[2Jre"), "control characters"),
        (document(WEEK_OFF)[:-20], "cut short"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n", "can"),
        (document(WEEK_OFF) + b"x" * (1024 * 1024), "larger than 1024 kB"),
        (document("UID:a\nDTSTART;VALUE=DATE:20260415\nDTEND:20260416T000000Z"), "begins with a day"),
        (document("UID:a\nDTSTART;VALUE=DATE:20260415\nRRULE:FREQ=SECONDLY"), "more often"),
        (document("UID:a\nDTSTART:20260415T090000Z\nRRULE:FREQ=DAILY;BYHOUR=1,2,3"), "more often"),
        (document("UID:a\nDTSTART;VALUE=DATE:20260415\nRRULE:FREQ=DAILY;INTERVAL=0"), "interval of nothing"),
        (document(*[f"UID:{n}\nDTSTART;VALUE=DATE:20260415" for n in range(501)]), "more than 500"),
        (
            document(
                *[f"UID:{n}\nDTSTART;VALUE=DATE:20100101\nRRULE:FREQ=DAILY;COUNT=4000" for n in range(20)]
            ),
            "go back too far",
        ),
        (document("UID:a\nDTSTART;VALUE=DATE:00010101\nRRULE:FREQ=DAILY;COUNT=9"), "go back too far"),
        (
            document(*[f"UID:{n}\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY" for n in range(101)]),
            "are too many",
        ),
        (document("UID:a\nDTSTART;VALUE=DATE:20260415\nRRULE:FREQ=WEEKLY;BYWEEKNO=3"), "does not know"),
    ],
)
def test_a_bad_calendar_is_refused_whole_and_soon(content: bytes, why: str) -> None:
    begun = time.process_time()
    with pytest.raises(CalendarRefused, match=why):
        read(content, ROME, NIGHT)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
    ],
)
def test_a_rule_that_never_comes_true_ends(rule: str) -> None:
    begun = time.process_time()
    assert found(f"UID:a\nDTSTART;VALUE=DATE:19500101\nRRULE:{rule}")[1:] == []
    assert time.process_time() - begun < 5


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_damaged_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(document(WEEK_OFF, DENTIST + "RRULE:FREQ=WEEKLY;COUNT=3"))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=6))
    try:
        for away in read(bytes(content), ROME, NIGHT):
            assert away.start < away.end
    except CalendarRefused:
        pass


# -- what follows of it ------------------------------------------------------------------------


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        with database.write() as connection:
            staff(connection, utc("2026-01-01 00:00"))
        yield database


def follow(
    database: Database, *entries: str, at: datetime = NIGHT, technician: str = "anna", calendar: str = "file"
) -> Brought:
    with database.write() as connection:
        return bring(connection, ACTOR, at, technician, calendar, read(document(*entries), ROME, at))


def away(database: Database, technician: str = "anna") -> list[tuple[datetime, datetime, str]]:
    with database.read() as connection:
        known = absences.of(connection, technician, utc("2020-01-01 00:00"), utc("2030-01-01 00:00"))
    return [(each.start, each.end, each.kind) for each in known]


MOVED = WEEK_OFF.replace("20260401", "20260402")
OFF = (rome("2026-04-01 00:00"), rome("2026-04-08 00:00"), "holiday")


def test_absences_follow_the_calendar_and_to_read_it_again_changes_nothing(database: Database) -> None:
    assert follow(database, WEEK_OFF, DENTIST) == Brought(2, 0, 0, 0)
    assert follow(database, WEEK_OFF, DENTIST, at=NIGHT + HOUR) == Brought(0, 0, 0, 2)
    assert follow(database, MOVED, at=NIGHT + 2 * HOUR) == Brought(0, 1, 1, 0)
    assert away(database) == [(rome("2026-04-02 00:00"), OFF[1], "holiday")]
    with database.read() as connection:
        # Her own turn lasts from 30 March to 6 April; away from the 2nd on.
        known = book(connection, "duty")
    on_duty = [known.ladder(rome(f"2026-04-{day} 12:00"))[0].technician for day in ("01", "03")]
    assert on_duty == ["anna", "bruno"]


def test_the_past_stays_and_what_runs_ends_now(database: Database) -> None:
    follow(database, WEEK_OFF, DENTIST)
    during = rome("2026-04-03 12:00")
    assert follow(database, WEEK_OFF, DENTIST, at=during) == Brought(0, 0, 0, 2)
    assert follow(database, DENTIST, at=during) == Brought(0, 0, 1, 1)
    with database.read() as connection:
        row = connection.execute(select(rows).where(rows.c.starts_at == OFF[0])).one()
        assert row.withdrawn_at == during
    later = rome("2026-05-01 00:00")
    assert follow(database, at=later) == Brought(0, 0, 0, 0)
    assert (rome("2026-04-15 09:00"), rome("2026-04-15 11:30"), "other") in away(database)


def test_what_runs_and_gets_longer_is_changed_from_now_on(database: Database) -> None:
    follow(database, WEEK_OFF)
    during = rome("2026-04-03 12:00")
    longer = WEEK_OFF.replace("20260408", "20260410")
    assert follow(database, longer, at=during) == Brought(0, 1, 0, 0)
    assert away(database) == [(during, rome("2026-04-10 00:00"), "holiday")]
    assert follow(database, longer, at=during + HOUR) == Brought(0, 0, 0, 1)


def test_other_calendars_people_and_hands_are_left_alone(database: Database) -> None:
    with database.write() as connection:
        absences.add(connection, ACTOR, NIGHT, "anna", NIGHT + DAY, NIGHT + 2 * DAY, "illness")
    follow(database, WEEK_OFF)
    follow(database, WEEK_OFF, technician="bruno")
    follow(database, DENTIST, calendar="file2")
    before = away(database)
    assert len(before) == 3
    assert follow(database) == Brought(0, 0, 1, 0)
    assert away(database) == [each for each in before if each != OFF]
    assert away(database, "bruno") == [OFF]


def test_what_lies_after_his_last_day_is_left_out(database: Database) -> None:
    from sqlalchemy import update

    from oncall.tables import technicians

    leaves = rome("2026-04-10 00:00")
    with database.write() as connection:
        connection.execute(update(technicians).where(technicians.c.key == "anna").values(retired_at=leaves))
    assert follow(database, WEEK_OFF, DENTIST) == Brought(1, 0, 0, 0)


# -- by command --------------------------------------------------------------------------------


def test_the_command_reads_a_file_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            staff(connection, utc("2026-01-01 00:00"))
        mine = configuration(tmp_path)
        url = mine.database.model_copy(update={"url": str(database.engine.url)})
        context = Context(tmp_path / "config.toml")
        context._configuration = mine.model_copy(update={"database": url})
        context.at = NIGHT
        file = tmp_path / "anna.ics"
        file.write_bytes(document(WEEK_OFF))
        run = CliRunner()
        done = run.invoke(absences_from, [str(file), "--technician", "anna"], obj=context)
        assert (done.exit_code, away(database)) == (0, [OFF]), done.output
        assert "1 added" in done.output
        file.write_bytes(document(DENTIST)[:-5])
        done = run.invoke(absences_from, [str(file), "--technician", "anna"], obj=context)
        assert done.exit_code == 1
        assert "nothing was changed" in done.output
        assert away(database) == [OFF]
        for wrong in (["--technician", "anna"], [str(file), "--url", "--technician", "anna"]):
            assert run.invoke(absences_from, wrong, obj=context).exit_code == 2
        assert run.invoke(absences_from, ["--url", "--technician", "anna"], obj=context).exit_code == 1
        assert run.invoke(absences_from, [str(file), "--technician", "nobody"], obj=context).exit_code == 1


# -- what is fetched, and from where -----------------------------------------------------------

HOST = "calendar.example.net"
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()


@contextmanager
def serving(
    answer: bytes | Callable[[Any], None], authority: trustme.CA = AUTHORITY
) -> Iterator[tuple[int, list[str]]]:
    """A server with TLS on this machine, for HOST: its port, and the requests it got."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']} {self.path}")
            if callable(answer):
                answer(self)
            else:
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def world(*addresses: str, here: bool = True) -> Outside:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return Outside(lambda host, port: list(addresses), context, may_be_here=here)


def ok(content: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + content


CALENDAR = document(WEEK_OFF)


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)


@pytest.mark.parametrize(
    "answer",
    [
        ok(CALENDAR),
        ok(CALENDAR, f"Content-Length: {len(CALENDAR)}"),
        ok(chunked(CALENDAR), "Transfer-Encoding: chunked"),
    ],
    ids=["to the end", "of a length", "in chunks"],
)
def test_a_calendar_is_fetched_from_the_very_address_that_was_checked(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name means nothing on this machine, and no proxy of the environment is asked."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with serving(answer) as (port, asked):
        got = fetch(f"https://{HOST}:{port}/anna.ics?key=secret", [HOST], world("127.0.0.1"))
    assert got == CALENDAR
    assert asked == [f"{HOST}:{port} /anna.ics?key=secret"]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["0.0.0.0"],
        ["100.64.0.1"],
        ["224.0.0.1"],
        ["255.255.255.255"],
        ["::1"],
        ["::"],
        ["fe80::1"],
        ["fe80::1%eth0"],
        ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"],
        ["::ffff:93.184.216.34"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["2001:0:7f00:1::"],
        ["nonsense"],
        # One that is public does not vouch for another.
        ["93.184.216.34", "127.0.0.1"],
    ],
)
def test_nothing_inside_is_reached(addresses: list[str]) -> None:
    with serving(ok(CALENDAR)) as (port, asked), pytest.raises(FetchFailed, match="not a public one"):
        fetch(f"https://{HOST}:{port}/", [HOST], world(*addresses, here=False))
    assert asked == []


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_the_world_outside_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        f"http://{HOST}/",
        f"ftp://{HOST}/",
        "file:///etc/passwd",
        "https://other.example.net/",
        f"https://{HOST}.evil.net/",
        f"https://x.{HOST}/",
        f"https://{HOST}@evil.net/",
        f"https://evil.net#@{HOST}/",
        f"https://user:pass@{HOST}/",
        f"https://{HOST}:0/",
        f"https://{HOST}:99999/",
        f"https://{HOST}/a\r\nX-Evil: 1",
        f"https://{HOST}/a b",
        f"https://{HOST}/é",
        "https:///x",
        "",
    ],
)
def test_no_other_address_is_even_looked_up(address: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    with pytest.raises(FetchFailed) as refused:
        fetch(address, [HOST], replace(world(), resolve=never))
    assert address not in str(refused.value) or not address


def redirect(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")


def endless(handler: Any) -> None:
    handler.wfile.write(ok(b""))
    for _ in range(200):
        handler.wfile.write(b"x" * 65_536)


def trickling(handler: Any) -> None:
    for letter in ok(CALENDAR):
        handler.wfile.write(bytes([letter]))
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (redirect, "sends us elsewhere"),
        (endless, "larger than"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "answered 500"),
        (ok(CALENDAR, "Content-Encoding: gzip"), "encoding"),
        (ok(CALENDAR[:50], f"Content-Length: {len(CALENDAR)}"), "cut short"),
        (ok(b"ffffff\r\nBEGIN", "Transfer-Encoding: chunked"), "cannot be read"),
        (b"SSH-2.0-x\r\n", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_what_else_a_host_may_answer_is_refused(answer: Any, why: str) -> None:
    with serving(answer) as (port, _), pytest.raises(FetchFailed, match=why):
        fetch(f"https://{HOST}:{port}/", [HOST], world("127.0.0.1"))


def test_a_host_that_trickles_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.outbound.calendar_fetch, "TIMEOUT", 0.4)
    begun = time.monotonic()
    with serving(trickling) as (port, _):
        with pytest.raises(FetchFailed, match="in time"):
            fetch(f"https://{HOST}:{port}/", [HOST], world("127.0.0.1"))
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize("authority", [STRANGER, "another name"])
def test_a_certificate_that_cannot_be_believed_ends_it(authority: Any) -> None:
    name = HOST if authority is STRANGER else "other.example.net"
    used = STRANGER if authority is STRANGER else AUTHORITY
    refused = pytest.raises(FetchFailed, match="certificate")
    with serving(ok(CALENDAR), used) as (port, asked), refused:
        fetch(f"https://{name}:{port}/", [name], world("127.0.0.1"))
    assert asked == []


def test_a_name_that_is_not_known_or_nobody_listens_to() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError

    for outside, why in (
        (replace(world(), resolve=unknown), "not known"),
        (world(), "not known"),
        (world("127.0.0.1"), "connection failed"),
    ):
        with pytest.raises(FetchFailed, match=why):
            fetch(f"https://{HOST}:1/", [HOST], outside)


# -- every hour --------------------------------------------------------------------------------


@dataclass
class Worker:
    """A house whose worker fetches anna's calendar from `content`; an error is raised instead."""

    house: House
    content: bytes | Exception = CALENDAR
    fetched: int = 0

    def work(self, at: datetime) -> int:
        return tick(self.house, at, {calendars.FETCH: calendars.fetch_absences})

    def pending(self) -> list[Any]:
        query = select(due_work).where(due_work.c.kind == calendars.FETCH, due_work.c.state == "pending")
        with self.house.database.read() as connection:
            return list(connection.execute(query).all())

    def alarms(self) -> list[dict[str, Any]]:
        with self.house.database.read() as connection:
            return list(
                connection.execute(select(due_work.c.payload).where(due_work.c.kind == "alarm")).scalars()
            )


@pytest.fixture
def worker(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    wanted = CalendarSettings(
        hosts=[HOST], absences={"anna": SecretStr(f"https://{HOST}/anna.ics?key=hidden")}
    )
    house = House(configuration(tmp_path).model_copy(update={"calendars": wanted}), database)
    made = Worker(house)

    def fetched(address: str, hosts: list[str], world: object = None) -> bytes:
        assert (address, hosts) == (f"https://{HOST}/anna.ics?key=hidden", [HOST])
        made.fetched += 1
        if isinstance(made.content, Exception):
            raise made.content
        return made.content

    monkeypatch.setattr(calendars, "fetch", fetched)
    calendars.plan(house, NIGHT)
    return made


def test_it_is_fetched_every_hour_apart_from_what_calls_need(worker: Worker) -> None:
    assert calendars.plan(worker.house, NIGHT) == 0  # it is planned
    assert worker.work(NIGHT) == 1
    assert away(worker.house.database) == [OFF]
    (work,) = worker.pending()
    assert work.due_at == NIGHT + HOUR
    assert worker.work(NIGHT + HOUR - timedelta(seconds=1)) == 0
    worker.content = document(MOVED)
    assert worker.work(NIGHT + HOUR) == 1
    assert away(worker.house.database)[0][0] == rome("2026-04-02 00:00")
    assert worker.fetched == 2
    assert HANDLERS[calendars.FETCH] is calendars.fetch_absences
    assert [kinds for kinds in APART.values() if calendars.FETCH in kinds] == [(calendars.FETCH,)]


def test_a_failure_keeps_what_was_and_after_a_day_is_an_alarm(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.work(NIGHT)
    at = NIGHT + HOUR
    for failure in (FetchFailed("the host answered 500"), document(WEEK_OFF)[:-9]):
        worker.content = failure
        assert worker.work(at) == 1
        assert away(worker.house.database) == [OFF]
        assert worker.pending()[0].due_at == at + calendars.AGAIN
        at += calendars.AGAIN
    assert worker.alarms() == []
    while at < NIGHT + 26 * HOUR:
        worker.work(at)
        at += calendars.AGAIN
    (alarm,) = worker.alarms()
    assert (alarm["what"], alarm["about"], alarm["technician"]) == (
        "calendar-stale",
        "technician:anna",
        "anna",
    )
    assert alarm["since"] == "2026-03-10 22:00"
    assert "hidden" not in caplog.text + str(alarm)
    worker.content = CALENDAR
    assert worker.work(at) == 1
    assert worker.pending()[0].due_at == at + HOUR


def test_a_calendar_that_is_no_longer_configured_is_let_go(worker: Worker) -> None:
    worker.work(NIGHT)
    none = worker.house.configuration.model_copy(update={"calendars": CalendarSettings()})
    worker.house = House(none, worker.house.database)
    assert worker.work(NIGHT + HOUR) == 1
    assert worker.pending() == []
    assert away(worker.house.database) == [OFF]


def test_a_worker_that_died_in_the_middle_does_it_again_once(worker: Worker) -> None:
    """Two that hold the same piece, one after its lease: one row of work remains, and one absence."""
    from storage import due

    with worker.house.database.write() as connection:
        (first,) = due.claim(connection, NIGHT, [calendars.FETCH], lease=timedelta(minutes=2))
    later = NIGHT + timedelta(minutes=3)
    with worker.house.database.write() as connection:
        (second,) = due.claim(connection, later, [calendars.FETCH], lease=timedelta(minutes=2))
    assert calendars.fetch_absences(worker.house, first, later) is None
    assert calendars.fetch_absences(worker.house, second, later) is None
    assert len(worker.pending()) == 1
    assert away(worker.house.database) == [OFF]
