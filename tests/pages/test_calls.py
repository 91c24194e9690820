"""Calls in the console: found, told whole, listened to, taken out."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from making import NIGHT, SID, a_sid, configuration, fresh_database
from nights import Night, night
from playwright.sync_api import expect
from screens import Screen
from sqlalchemy import insert, select, update
from visitors import Clock, Console, Visitor, console_in

from console.house import House
from console.web.shown import calls as shown_calls
from ivr import casework, journal
from ivr.records import call_search, heard
from ivr.tables import calls
from ivr.vocabulary import Recording
from oncall.cases import cases
from oncall.notices.notices import MESSAGE
from pins.tables import customers
from storage import due
from storage.tables import audit


@pytest.fixture
def played(console: Console) -> Night:
    return night(console)


@dataclass
class Shown:
    """A house with its night, which the tests that have it only look at."""

    console: Console
    night: Night


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("night")
    with fresh_database(folder) as database:
        console = console_in(folder, House(configuration(folder), database), Clock())
        yield Shown(console, night(console))


def listed(visitor: Visitor, query: str = "", status: int = 200) -> list[str]:
    """The sids of the calls in the list, in its order."""
    page = visitor.page(f"/calls{query}", status)
    return re.findall(r'href="/calls/(CA[0-9a-f]{32})"', page)


# -- the list ------------------------------------------------------------------------------------


def test_the_newest_call_comes_first_and_says_all(shown: Shown) -> None:
    console, played = shown.console, shown.night
    visitor = console.visitor("reader")
    order = [played.unanswered, played.no_contract, played.refused, played.connected]
    assert listed(visitor) == [each.sid for each in order]
    first, *_, last = re.findall(r"<tr>.*?</tr>", visitor.page("/calls").split("<tbody>")[1], re.DOTALL)
    row = " ".join(re.sub(r"<[^>]+>", " ", first).split())
    assert row == (
        "21:53 Trento 347 111 2202 Frutticoltori Val di Sole MELE P2 Nessun tecnico ha risposto "
        f"un messaggio {played.unanswered.case} 3 min"
    )
    assert "In linea con un tecnico" in last


FOUND = [
    ("?q=347+111+2202", ["unanswered", "refused"]),
    ("?q=%2B39347111", ["unanswered", "no_contract", "refused", "connected"]),
    ("?q=0039+347+1112201", ["connected"]),
    ("?q=mele", ["unanswered", "refused"]),
    ("?q=val+di+s", ["unanswered", "refused"]),
    ("?q={connected.case}", ["connected"]),
    ("?q={unanswered.sid}", ["unanswered"]),
    ("?number=%2B390465324963", ["refused"]),
    ("?outcome=no-contract", ["no_contract"]),
    ("?urgency=P1%2B", ["connected"]),
    ("?first=2026-03-10&last=2026-03-10&urgency=P2", ["unanswered"]),
    ("?first=2026-03-11", []),
    ("?last=2026-03-09", []),
    ("?unheard=1", ["unanswered"]),
    ("?outcome=under-way", []),
    ("?q=nobody+at+all", []),
    ("?q=12", []),
    ("?outcome=nonsense", ["unanswered", "no_contract", "refused", "connected"]),
]


def test_calls_are_found(shown: Shown) -> None:
    visitor, played = shown.console.visitor("reader"), shown.night
    for query, found in FOUND:
        wanted = [getattr(played, name).sid for name in found]
        asked = query.format(connected=played.connected, unanswered=played.unanswered)
        assert listed(visitor, asked) == wanted, query


def test_a_case_s_code_finds_its_call(shown: Shown) -> None:
    console, played = shown.console, shown.night
    visitor = console.visitor("reader")
    code = re.search(r"codice ([0-9]{4})", visitor.page(f"/calls/{played.connected.sid}"))
    assert code
    assert listed(visitor, f"?q={code[1]}") == [played.connected.sid]


def test_a_date_that_is_none_is_named(shown: Shown) -> None:
    console = shown.console
    page = console.visitor("reader").page("/calls?first=2026-02-30&q=mele", 422)
    assert "Questa data non esiste." in page
    assert 'value="2026-02-30" aria-invalid="true"' in page
    assert 'value="mele"' in page
    assert "viene prima" in console.visitor("reader").page("/calls?first=2026-03-10&last=2026-03-01", 422)


def many(console: Console, count: int) -> list[str]:
    """So many calls, three at each instant; their sids, newest first."""
    rows = [
        {
            "sid": a_sid(n),
            "caller": "+393470000000",
            "number": "+390461825060",
            "started_at": NIGHT - timedelta(minutes=n // 3),
            "ended_at": NIGHT,
            "outcome": "hung-up",
            "turn": 1,
            "step": "ended",
            "state": "{}",
        }
        for n in range(count)
    ]
    with console.house.database.write() as connection:
        connection.execute(insert(calls), rows)
    return [row["sid"] for row in sorted(rows, key=lambda r: (r["started_at"], r["sid"]), reverse=True)]


def test_pages_follow_each_other_and_lead_back(console: Console) -> None:
    order = many(console, 125)
    visitor = console.visitor("reader")
    path, seen = "/calls?outcome=hung-up", []
    while True:
        page = visitor.page(path)
        seen.append(re.findall(r'href="/calls/(CA[0-9a-f]{32})"', page))
        after = re.search(r'href="([^"]+)" rel="next"', page)
        if after is None:
            break
        path = after[1]
    assert [len(each) for each in seen] == [30, 30, 30, 30, 5]
    assert [sid for each in seen for sid in each] == order
    before = re.search(r'href="([^"]+)" rel="prev"', page)
    assert before
    assert listed(visitor, before[1].removeprefix("/calls")) == seen[-2]


def test_a_place_that_is_none_is_the_beginning(console: Console) -> None:
    order = many(console, 3)
    for place in ("x", "_", "2026-03-10", "9999-99-99_CA"):
        assert listed(console.visitor("reader"), f"?older={place}") in (order, [])


# -- one call ------------------------------------------------------------------------------------


def told(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.split('id="story-heading"')[1]).split())


def test_a_call_is_told_step_by_step(shown: Shown) -> None:
    console, played = shown.console, shown.night
    story = told(console.visitor("reader").page(f"/calls/{played.connected.sid}"))
    steps = [
        "20:40:00",
        "La chiamata arriva quando si chiede il PIN",
        "18 s",
        "Digita un PIN che non è di nessuno",
        "Digita il PIN di ACME",
        "Lei chiama per Acme",
        "Indica l'urgenza P1+",
        "Squilla il telefono di Anna Rossi livello 1 · 333 123 4501 · squilla per 4 s",
        "Qualcuno risponde",
        "Chiamata P1 più da Acme",
        "Preme 1: accetta",
        "In linea per 4 min",
        "Il colloquio con il tecnico è finito",
        "Fine della chiamata",
    ]
    places = [story.find(step) for step in steps]
    assert -1 not in places, steps[places.index(-1)]
    assert places == sorted(places)
    assert "in ritardo" not in story  # the # that came after a full PIN is no step of its own


def test_its_facts_lead_on(shown: Shown) -> None:
    console, played = shown.console, shown.night
    page = console.visitor("reader").page(f"/calls/{played.connected.sid}")
    assert 'href="tel:+393471112201"' in page
    assert f'href="/cases/{played.connected.case}"' in page
    assert ">Trento<" in page


def test_a_call_in_another_language(shown: Shown) -> None:
    console, played = shown.console, shown.night
    page = console.visitor("reader", "de").page(f"/calls/{played.unanswered.sid}")
    assert "Kein Techniker hat sich gemeldet" in page
    assert "Hinterlässt eine Nachricht von 20 s" in page
    assert 'lang="it-IT"' in page  # what was said was said in Italian


def test_there_is_no_such_call(console: Console) -> None:
    for sid in ("nonsense", SID, "%00"):
        console.visitor("reader").page(f"/calls/{sid}", 404)


def test_a_call_that_goes_on(console: Console) -> None:
    with console.house.database.write() as connection:
        values = {"turn": 0, "step": "pin", "state": "{}", "number": "+390461825060", "caller": ""}
        connection.execute(insert(calls).values(sid=SID, started_at=NIGHT - timedelta(minutes=1), **values))
    page = console.visitor("reader").page(f"/calls/{SID}")
    assert "La chiamata è ancora in corso." in page
    assert "Numero nascosto" in page
    assert listed(console.visitor("reader"), "?outcome=under-way") == [SID]
    console.clock.forward(hours=5)
    assert "La fine non è stata comunicata" in console.visitor("reader").page(f"/calls/{SID}")


# -- messages ------------------------------------------------------------------------------------


def test_a_message_can_be_heard_and_wound(shown: Shown) -> None:
    console, played = shown.console, shown.night
    visitor = console.visitor("dispatcher")
    path = f"/calls/messages/{played.message}"
    assert f'src="{path}"' in visitor.page(f"/calls/{played.unanswered.sid}")
    whole = visitor.get(path)
    assert (whole.status_code, whole.mimetype, whole.data[:2]) == (200, "audio/mpeg", b"\xff\xf3")
    assert whole.headers["Cache-Control"] == "no-store"
    part = visitor.get(path, headers={"Range": "bytes=144-287"})
    assert (part.status_code, part.data) == (206, whole.data[144:288])


def test_who_may_not_hear_sees_that_there_is_one(shown: Shown) -> None:
    console, played = shown.console, shown.night
    reader = console.visitor("reader")
    page = reader.page(f"/calls/{played.unanswered.sid}")
    assert "Messaggio di 20 s" in page
    assert "<audio" not in page
    assert "Segna come ascoltato" not in page
    reader.page(f"/calls/messages/{played.message}", 403)
    assert reader.post(f"/calls/messages/{played.message}/heard").status_code == 403


def test_only_messages_are_played(shown: Shown) -> None:
    visitor = shown.console.visitor("admin")
    for name in ("RE" + "0" * 32, "..%2f..%2fconfig.toml", "x", "%00"):
        visitor.page(f"/calls/messages/{name}", 404)


def test_what_somebody_said_of_himself_is_no_message(console: Console, played: Night) -> None:
    said = "RE" + "1" * 32
    with console.house.database.write() as connection:
        recording = Recording(said, "https://x.example", 3)
        journal.keep_message(connection, NIGHT, played.connected.sid, recording, "completed", "name")
        journal.message_fetched(connection, NIGHT, said, f"{played.message}.mp3")
    visitor = console.visitor("admin")
    visitor.page(f"/calls/messages/{said}", 404)
    assert "<audio" not in visitor.page(f"/calls/{played.connected.sid}")


def test_a_file_that_is_gone_is_not_found(console: Console, played: Night, tmp_path: Path) -> None:
    (file,) = tmp_path.rglob(f"{played.message}.mp3")
    file.unlink()
    console.visitor("admin").page(f"/calls/messages/{played.message}", 404)


def test_a_message_is_marked_as_heard_once(console: Console, played: Night) -> None:
    visitor = console.visitor("dispatcher")
    shown = f"/calls/{played.unanswered.sid}"
    said = visitor.done(f"/calls/messages/{played.message}/heard", shown)
    assert "Il messaggio risulta ascoltato" in said
    assert "Ascoltato da Paolo Degasperi: 22:00" in said
    console.clock.forward(minutes=5)
    visitor.post(f"/calls/messages/{played.message}/heard")
    assert "Ascoltato da Paolo Degasperi: 22:00" in visitor.page(shown)
    assert listed(visitor, "?unheard=1") == []
    with console.house.database.read() as connection:
        acts = select(audit.c.actor, audit.c.subject).where(audit.c.act == "message.heard")
        assert connection.execute(acts).all() == [("user:paolo", f"call:{played.unanswered.sid}")]


def test_nobody_else_is_told_of_a_message_that_was_heard(console: Console) -> None:
    """Of a message outside of a case the technician hears as soon as a PIN is asked."""
    order = many(console, 1)
    recording = "RE" + "2" * 32
    with console.house.database.write() as connection:
        kept = Recording(recording, "https://x.example", 3)
        journal.keep_message(connection, NIGHT, order[0], kept, "completed")
        due.add(connection, NIGHT, MESSAGE, order[0], NIGHT + timedelta(hours=9), {})
    console.visitor("admin").post(f"/calls/messages/{recording}/heard")
    with console.house.database.read() as connection:
        assert not due.pending(connection, MESSAGE, order[0])


def test_a_message_of_a_closed_case_waits_for_nobody(console: Console, played: Night) -> None:
    with console.house.database.write() as connection:
        assert len(heard.unheard(connection, NIGHT, most=5)) == 1
        case = cases.find(connection, played.unanswered.case)
        casework.close(connection, "user:paolo", NIGHT, case, "Risolto", 20)
        assert heard.unheard(connection, NIGHT, most=5) == []


def test_a_message_that_was_played_to_its_end_has_been_heard(screen: Screen) -> None:
    played = night(screen.console)
    page = screen.open(f"/calls/{played.unanswered.sid}", "dispatcher")
    seconds = page.evaluate(
        """async () => {
            const audio = document.querySelector("audio");
            audio.preload = "auto";
            const ready = new Promise((done) => audio.addEventListener("loadedmetadata", done));
            audio.load();
            await ready;
            return audio.duration;
        }"""
    )
    assert 19 < seconds < 21
    page.evaluate("document.querySelector('audio').dispatchEvent(new Event('ended'))")
    page.get_by_text("Ascoltato da Paolo Degasperi").wait_for()
    expect(page.get_by_role("button", name="Segna come ascoltato")).to_have_count(0)


# -- as a file -----------------------------------------------------------------------------------


def exported(visitor: Visitor, **wanted: str) -> list[dict[str, str]]:
    answer = visitor.post("/calls/export", **wanted)
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    text = answer.data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def test_the_list_as_a_file(console: Console, played: Night) -> None:
    with console.house.database.write() as connection:
        evil = update(customers).where(customers.c.code == "MELE").values(name="=HYPERLINK(1)")
        connection.execute(evil)
    rows = exported(console.visitor("dispatcher"), q="mele")
    assert [row["identificativo"] for row in rows] == [played.unanswered.sid, played.refused.sid]
    assert rows[0]["cliente"] == "'=HYPERLINK(1)"
    assert rows[0]["da"] == "'+393471112202"
    assert (rows[0]["esito"], rows[0]["urgenza"]) == ("Nessun tecnico ha risposto", "P2")
    assert (rows[0]["inizio"], rows[0]["caso"]) == ("2026-03-10 21:53:00", played.unanswered.case)
    with console.house.database.read() as connection:
        assert connection.execute(select(audit.c.actor).where(audit.c.act == "calls.export")).all() == [
            ("user:paolo",)
        ]


def test_a_file_of_many_portions(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_search, "PORTION", 7)
    order = many(console, 30)
    assert [row["identificativo"] for row in exported(console.visitor("admin"))] == order
    monkeypatch.setattr(shown_calls, "MOST_EXPORTED", 16)
    assert [row["identificativo"] for row in exported(console.visitor("admin"))] == order[:16]


def test_nothing_to_take_out_is_a_heading(console: Console) -> None:
    assert exported(console.visitor("admin"), q="nobody") == []


def test_who_may_not_take_data_out(console: Console) -> None:
    reader = console.visitor("reader")
    assert "Scarica in CSV" not in reader.page("/calls")
    assert reader.post("/calls/export").status_code == 403


def test_whatever_somebody_called_himself_is_escaped(console: Console, played: Night) -> None:
    with console.house.database.write() as connection:
        connection.execute(update(customers).where(customers.c.code == "MELE").values(name="<b>x</b>"))
    visitor = console.visitor("admin")
    for path in ("/calls", f"/calls/{played.unanswered.sid}", "/tonight"):
        raw = visitor.get(path).get_data(as_text=True)
        assert "<b>x</b>" not in raw
        assert "<b>x</b>" in html.unescape(raw)


def test_a_search_for_anything_is_answered(shown: Shown) -> None:
    console = shown.console
    visitor = console.visitor("reader")
    for text in ("%25", "_", "'", '"', "\\", "++", "+", "00", "0" * 15, "é", "x" * 300, "2026-0", "\x00"):
        assert visitor.get("/calls", query_string={"q": text}).status_code == 200, text
