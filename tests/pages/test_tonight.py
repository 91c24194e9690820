"""Tonight: what is going on, what would go wrong, the last night."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from making import NIGHT, configuration, fresh_database, rome
from nights import CONNECTED, Night, night
from playwright.sync_api import expect
from pydantic import SecretStr
from screens import Screen
from sqlalchemy import delete, insert, update
from visitors import Clock, Console, Visitor, console_in

from console.house import House, numbers, pin_index
from console.rehearsing.playhouse import Playhouse
from ivr.records import night as nights_figures
from oncall.cases import cases
from oncall.notices import notices
from oncall.rota import absences, on_duty, roster
from oncall.tables import shift_checks, technicians
from pins import registry, throttle
from storage.alarms import raise_alarm
from storage.tables import due_work


def text_of(page: str, heading: str = "") -> str:
    """What the page says from a heading on, without its tags."""
    shown = page.split(f'id="{heading}">', 1)[1] if heading else page
    return " ".join(re.sub(r"<[^>]+>", " ", shown.split("</section>")[0] if heading else shown).split())


@pytest.fixture
def played(console: Console) -> Night:
    return night(console)


# -- what is going on ----------------------------------------------------------------------------


def test_a_quiet_night(console: Console) -> None:
    page = console.visitor("reader").page("/tonight")
    assert "Tutto tranquillo: nessun caso è aperto. Nessuna chiamata in corso." in text_of(page)
    assert text_of(page, "pin-heading") == (
        "PIN Si chiede il PIN Notte, fino a mer 11 mar 08:00 Trento, Trento Nord, Tione"
    )
    duty = text_of(page, "duty-heading")
    assert "1 livello 1 Anna Rossi 333 123 4501 fino a lun 16 mar 18:30, poi Bruno Bianchi" in duty
    assert "2 livello 2 Dario Neri 333 123 4504 sempre" in duty
    assert 'href="tel:+393331234501"' in page


def test_by_day_no_pin_is_asked(console: Console) -> None:
    console.clock.at = rome("2026-03-11 10:00")
    page = console.visitor("reader").page("/tonight")
    assert "Non si chiede il PIN Ufficio aperto, fino a 13:00" in text_of(page, "pin-heading")


def test_numbers_that_differ_stand_apart(tmp_path: Path) -> None:
    known = configuration(tmp_path)
    first, *rest = known.number
    apart = known.model_copy(
        update={"number": [first, *(n.model_copy(update={"holidays": "DE"}) for n in rest)]}
    )
    with fresh_database(tmp_path) as database:
        console = console_in(tmp_path, House(apart, database), Clock(rome("2026-10-03 10:00")))
        shown = text_of(console.visitor("reader").page("/tonight"), "pin-heading")
    assert "Giorno di chiusura, fino a lun 5 ott 08:00 Trento " in shown
    assert "Giorno festivo (Tag der Deutschen Einheit), fino a lun 5 ott 08:00 Trento Nord, Tione" in shown


def cards(page: str) -> list[str]:
    """The open cases, each in its words."""
    section = page.split('id="cases-heading"')[1].split("</section>")[0]
    return [
        " ".join(re.sub(r"<[^>]+>", " ", card).split()) for card in re.findall(r"<li.*?</li>", section, re.S)
    ]


def test_cases_with_their_clocks_the_most_urgent_first(console: Console, played: Night) -> None:
    page = console.visitor("reader").page("/tonight")
    assert "Un caso aspetta un tecnico." in text_of(page)
    waits, talked = cards(page)
    assert re.fullmatch(
        rf"P2 Frutticoltori Val di Sole {played.unanswered.case} · codice \d{{4}} "
        r"Mancano 3 h 53 min · da prendere in carico entro mer 11 mar 01:53 "
        r"Nessuno l'ha ancora preso\. I tecnici vengono (richiamati alle 22:\d\d|chiamati adesso)\.",
        waits,
    ), waits
    assert talked.endswith("Preso in carico: 20:41 Se ne occupa Anna Rossi.")
    assert f'href="/cases/{played.unanswered.case}"' in page


def test_a_case_that_is_late(console: Console, played: Night) -> None:
    console.clock.forward(hours=4)
    page = console.visitor("reader").page("/tonight")
    assert "Un caso è in ritardo: nessuno l'ha ancora preso in carico." in text_of(page)
    (late, _) = cards(page)
    assert "In ritardo di 6 min · era da prendere in carico entro 01:53" in late
    # No worker has worked since: nobody says that technicians are being called.
    assert "I tecnici dovevano essere chiamati: mar 10 mar 22:0" in late


def test_a_case_that_nobody_is_called_for(console: Console, played: Night) -> None:
    with console.house.database.write() as connection:
        connection.execute(delete(due_work).where(due_work.c.kind == cases.PURSUE))
    assert "Nessun tecnico viene più chiamato" in cards(console.visitor("reader").page("/tonight"))[0]


def test_calls_in_progress(console: Console) -> None:
    playhouse = Playhouse(console.house, NIGHT - timedelta(minutes=3))
    playhouse.issue("ACME")
    began = CONNECTED.split("> 1\n")[0]
    call = playhouse.play(began).calls[0]
    visitor = console.visitor("reader")
    console.clock.at = playhouse.clock.now()

    def shown() -> str:
        return text_of(visitor.page("/tonight/live"), "calls-heading")

    assert "ACME S.r.l. numero Trento" in shown()
    assert "Sta scegliendo l'urgenza." in shown()
    call.press("1")
    call.wait()
    console.clock.at = playhouse.clock.now()
    assert "Squilla il telefono di Anna Rossi." in shown()
    (leg,) = call.ringing
    leg.answer()
    leg.press("1")
    console.clock.at = playhouse.clock.now()
    assert "Parla con Anna Rossi." in shown()


def test_a_call_that_we_placed(console: Console, played: Night) -> None:
    playhouse = Playhouse(console.house, console.clock.now() + timedelta(minutes=9))
    playhouse.work()
    console.clock.at = playhouse.clock.now()
    page = console.visitor("reader").page("/tonight/live")
    assert f"Il sistema chiama Anna Rossi. Per il caso {played.unanswered.case}." in text_of(
        page, "calls-heading"
    )
    assert "Al telefono: Anna Rossi." in cards(page)[0]


def test_who_may_look(console: Console) -> None:
    for path in ("/tonight", "/tonight/live", "/tonight/checks"):
        console.visitor("reader").page(path)
        console.visitor("technician").page(path, 403)


def test_looking_on_does_not_keep_a_session_alive(console: Console) -> None:
    visitor = console.visitor("reader")
    for _ in range(14):
        console.clock.forward(minutes=1)
        assert visitor.get("/tonight/live").status_code == 200
        assert visitor.get("/tonight/checks").status_code == 200
    console.clock.forward(minutes=2)
    answer = visitor.get("/tonight/live", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"][:6]) == (204, "/login")


# -- what would go wrong -------------------------------------------------------------------------


def problems(visitor: Visitor) -> list[str]:
    page = visitor.page("/tonight/checks")
    section = page.split('id="checks-heading"')[1].split("</section>")[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", li).split()) for li in re.findall(r"<li.*?</li>", section, re.S)]


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[Console]:
    """A house with nothing to complain of."""
    known = configuration(tmp_path)
    settings = known.model_copy(
        update={
            "mail": known.mail.model_copy(update={"host": "mail.example.net", "sender": "a@example.net"}),
            "notices": known.notices.model_copy(update={"admins": ["a@example.net"], "confirm": "text"}),
            "service": known.service.model_copy(update={"signing_key": SecretStr("ab" * 32)}),
        }
    )
    with fresh_database(tmp_path) as database:
        console = console_in(tmp_path, House(settings, database), Clock())
        with database.write() as connection:
            connection.execute(delete(due_work))
        for code in ("ACME", "MELE"):
            issue(console, code)
        yield console


def issue(console: Console, code: str, expires: date | None = None) -> int:
    new = registry.draw(pin_index(console.house.configuration), 8)
    with console.house.database.write() as connection:
        return registry.issue(connection, "test", NIGHT, code, new, expires=expires)


def test_nothing_would_go_wrong(sound: Console) -> None:
    visitor = sound.visitor("admin")
    assert problems(visitor) == []
    assert "Tutto in ordine" in visitor.page("/tonight")


def test_missing_settings(console: Console) -> None:
    found = " | ".join(problems(console.visitor("admin")))
    for name in ("notices.admins", "mail.host", "service.signing_key"):
        assert name in found


def test_settings_without_which_nothing_works(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        bare = configuration(tmp_path, {})
        console = console_in(tmp_path, House(bare, database), Clock())
        assert "nessuna chiamata può essere servita: service.keys, twilio.auth_tokens" in " ".join(
            problems(console.visitor("admin"))
        )


def test_holes_are_named_with_their_time(sound: Console) -> None:
    start, end = rome("2026-03-12 18:00"), rome("2026-03-13 09:00")
    with sound.house.database.write() as connection:
        for key in ("anna", "bruno", "carla", "dario"):
            absences.record(connection, "test", NIGHT, key, start, end, "holiday")
        connection.execute(delete(due_work))
    (hole,) = problems(sound.visitor("admin"))
    assert hole.startswith("Importante Da gio 12 mar 18:00 fino a ven 13 mar 09:00 nessuno è di turno")
    page = sound.visitor("admin").page("/tonight/checks")
    assert "/rota?rota=duty&month=2026-03" in page


def test_an_empty_rung_is_for_later(sound: Console) -> None:
    with sound.house.database.write() as connection:
        absences.record(
            connection, "test", NIGHT, "dario", rome("2026-03-14 00:00"), rome("2026-03-15 00:00"), "holiday"
        )
        connection.execute(delete(due_work))
    assert [each.split(".")[0] for each in problems(sound.visitor("admin"))] == [
        "Da sistemare Da sab 14 mar 00:00 fino a dom 15 mar 00:00 il livello 2 è vuoto"
    ]


def test_who_is_on_duty_and_cannot_be_reached(sound: Console) -> None:
    with sound.house.database.write() as connection:
        connection.execute(
            update(technicians).where(technicians.c.key == "anna").values(phone="+39899123456")
        )
    visitor = sound.visitor("admin")
    assert any("è di turno Anna Rossi, ma manca un telefono" in each for each in problems(visitor))
    assert "nessun telefono si può chiamare" in text_of(visitor.page("/tonight"), "duty-heading")


def test_a_number_whose_rota_is_not_there(tmp_path: Path) -> None:
    known = configuration(tmp_path)
    lost = known.number[2].model_copy(update={"rota": "tione"})
    settings = known.model_copy(update={"number": [*known.number[:2], lost]})
    with fresh_database(tmp_path) as database:
        console = console_in(tmp_path, House(settings, database), Clock())
        assert any("chi chiama Tione con un'emergenza" in each for each in problems(console.visitor("admin")))


def test_who_has_not_confirmed(sound: Console) -> None:
    with sound.house.database.write() as connection:
        turn = {"rota": "duty", "rung": 1, "asked_at": NIGHT - timedelta(hours=1)}
        rows = [
            {**turn, "technician": "anna", "shift_at": NIGHT, "given_up_at": None},
            {**turn, "technician": "bruno", "shift_at": NIGHT + timedelta(hours=1), "given_up_at": NIGHT},
        ]
        connection.execute(insert(shift_checks), rows)
    cannot, silent = problems(sound.visitor("admin"))
    assert "Bruno Bianchi ha risposto di non essere raggiungibile" in cannot
    assert "Anna Rossi non ha confermato" in silent


def test_pins_that_are_missing_or_end(sound: Console) -> None:
    with sound.house.database.write() as connection:
        for pin in registry.all_pins(connection, "MELE"):
            registry.revoke(connection, "test", NIGHT, pin.id)
        connection.execute(delete(due_work))
    issue(sound, "ACME", date(2026, 4, 1))
    issue(sound, "ACME", date(2026, 6, 1))
    with sound.house.database.write() as connection:
        connection.execute(delete(due_work))
    assert [each.split(".")[0] for each in problems(sound.visitor("admin"))] == [
        "Da sistemare Un cliente con contratto non ha un PIN",
        "Da sistemare Un PIN scade entro 30 giorni",
    ]


def test_work_that_nobody_does(sound: Console) -> None:
    with sound.house.database.write() as connection:
        raise_alarm(connection, NIGHT - timedelta(minutes=30), "audit-broken")
    assert "Un lavoro aspetta da 21:30" in problems(sound.visitor("admin"))[0]
    alarms = text_of(sound.visitor("admin").page("/tonight/checks"), "alarms-heading")
    assert "21:30 Il registro delle attività è stato alterato" in alarms
    alarms = text_of(sound.visitor("admin", "en").page("/tonight/checks"), "alarms-heading")
    assert "21:30 The audit log has been altered" in alarms


def test_messages_and_notices_that_reached_nobody(sound: Console) -> None:
    with sound.house.database.write() as connection:
        notices.tell(connection, NIGHT, "case-passed", "technician:anna", "case:2026-1", {}, loud=True)
        notices.settle(connection, NIGHT, 1, "failed")
        connection.execute(delete(due_work))
    assert [
        "Un avviso non è arrivato a Anna Rossi (22:00)" in each for each in problems(sound.visitor("admin"))
    ] == [True]
    night(sound)
    with sound.house.database.write() as connection:
        connection.execute(delete(due_work))
    assert any("Nessuno ha ascoltato un messaggio" in each for each in problems(sound.visitor("admin")))


def test_too_many_wrong_pins(sound: Console) -> None:
    with sound.house.database.write() as connection:
        for n in range(throttle.BUDGET_HOUR):
            throttle.missed(connection, NIGHT, f"+3934700000{n:02}", throttle.Lane.SHARED)
        connection.execute(delete(due_work))
    assert any("troppi PIN sbagliati" in each for each in problems(sound.visitor("admin")))


# -- the last night ------------------------------------------------------------------------------


def test_the_last_night(console: Console, played: Night) -> None:
    assert text_of(console.visitor("reader").page("/tonight"), "night-heading") == (
        "Dalla chiusura: 18:30 Chiamate 4 Emergenze accettate 2 Tempo mediano di presa in carico 22 s "
        "Chiamate non accettate 2 Messaggi lasciati 1 PIN sbagliati 1"
    )


@pytest.mark.parametrize(
    ("now", "began"),
    [
        ("2026-03-10 22:00", "2026-03-10 18:30"),
        ("2026-03-10 13:30", "2026-03-09 18:30"),  # lunch is no night
        ("2026-03-10 18:30", "2026-03-10 18:30"),
        ("2026-03-09 09:00", "2026-03-06 18:30"),  # the whole weekend
        ("2026-04-07 09:00", "2026-04-03 18:30"),  # and Easter
    ],
)
def test_since_when_the_office_is_closed(tmp_path: Path, now: str, began: str) -> None:
    known = configuration(tmp_path)
    hours = numbers(known)[known.our_numbers[0]].hours
    assert nights_figures.began(hours, rome(now)) == rome(began)


def test_until_when_somebody_is_on_duty(console: Console) -> None:
    with console.house.database.write() as connection:
        until = rome("2026-03-11 08:00")
        roster.override(connection, "test", NIGHT, "duty", 1, NIGHT, until, "bruno")
        book = roster.book(connection, "duty")
    first, second = on_duty.rungs(book, NIGHT)
    assert (first.technician, first.because, first.until, first.following) == (
        "bruno",
        "override",
        until,
        "anna",
    )
    assert (second.technician, second.until, second.following) == ("dario", None, None)
    assert on_duty.rungs(book, rome("2025-12-01 00:00")) == []


# -- in a browser --------------------------------------------------------------------------------


def test_it_refreshes_and_says_so(screen: Screen) -> None:
    page = screen.open("/tonight", "reader")
    assert page.get_by_text("Tutto tranquillo").first.is_visible()
    played = night(screen.console)
    refresh = "htmx.ajax('GET', '/tonight/live', {target: '#tonight-live', swap: 'innerHTML'})"
    page.evaluate(refresh)
    page.locator("#verdict", has_text="Un caso aspetta un tecnico.").wait_for()
    expect(page.locator("#tonight-said")).to_contain_text("Un caso aspetta un tecnico.")
    # Whoever stands on a link still stands on it.
    link = page.locator(f"#case-{played.unanswered.case}")
    link.focus()
    screen.console.clock.forward(minutes=1)
    page.evaluate(refresh)
    page.get_by_text("Aggiornato alle 22:01:00").wait_for()
    expect(link).to_be_focused()


def test_that_it_does_not_refresh_is_shown(screen: Screen) -> None:
    page = screen.open("/tonight", "reader")
    assert not page.locator("#tonight-stale").is_visible()
    page.route("**/tonight/live", lambda route: route.abort())
    page.evaluate("htmx.ajax('GET', '/tonight/live', '#tonight-live').catch(() => {})")
    page.locator("#tonight-stale").wait_for()
    screen.wrong.clear()  # the browser complains of the request that failed
