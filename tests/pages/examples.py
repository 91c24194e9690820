"""A path for each page whose address has places: for crawlers, the matrix of rights, the benchmark.

EXAMPLES[endpoint] is a function of the console that returns a path. It may prepare what the page is about, in
any house, also one with thousands of rows, and more than once in the same. Pages without places need none.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlencode

from making import NIGHT, a_call, a_case, a_sid
from visitors import Console

from console import issuing
from console.house import state_folder
from console.rehearsing.tone import tone
from console.voice import listing as own_voice
from console.web import customer_sheets, jobs, work_files
from console.web.letter_runs import Wanted as Letters
from ivr import journal
from ivr.own_voice import kept, lines, wav
from ivr.own_voice.checking import Prepared, digest_of
from ivr.vocabulary import Recording
from oncall.cases import his_cases
from oncall.reaching import attempts
from oncall.rota import roster, swaps, turns
from pins import customer_list, pin_list, registry


def verified(console: Console) -> str:
    """The page of a verification of the audit log that has ended."""
    with console.house.database.write() as connection:
        job = jobs.ask(connection, console.clock.now(), console.users["admin"], "audit-verify", {})
    console.work()
    return f"/audit/verified/{job}"


def rehearsed(console: Console) -> str:
    """The page of a rehearsal of the admin's that is under way."""
    under_way = console.app.extensions["rehearsals"].of_user(console.users["admin"].id)
    if under_way:
        return f"/rehearse/{under_way[0].key}"
    visitor = console.visitor("admin")
    return str(visitor.post("/rehearse/ask", customer="ACME", absent=["anna"]).headers["Location"])


def called(console: Console) -> str:
    """The sid of a call; it is made if there is none."""
    with console.house.database.write() as connection:
        found = journal.recent(connection, limit=1)
        return found[0].sid if found else a_call(connection, a_sid(1))


def message(console: Console) -> str:
    """The path of a message that a caller left, whose sound is here."""
    recording, at = f"RE{secrets.token_hex(16)}", console.clock.now()
    folder = state_folder(console.house.configuration) / "messages"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{recording}.mp3").write_bytes(tone(1))
    sid = called(console)
    with console.house.database.write() as connection:
        journal.keep_message(connection, at, sid, Recording(recording, "https://x.example", 1), "completed")
        journal.message_fetched(connection, at, recording, f"{recording}.mp3")
    return f"/calls/messages/{recording}"


def case(console: Console) -> str:
    """The number of an open case that nobody has, and that Anna was rung for."""
    at = console.clock.now()
    with console.house.database.write() as connection:
        known = his_cases.his_cases(connection, at, "anna").free
        if known:
            return known[0].number
        opened = a_case(connection, at, sid=f"CA{secrets.token_hex(16)}")
        attempt = attempts.begin_attempt(connection, at, opened.id, opened.sid, "anna", "+393331234501", 1)
        attempts.settle(connection, at, attempt, "no-answer", bridged=False)
        return opened.number


def customer(console: Console) -> str:
    """The path of the first customer."""
    with console.house.database.read() as connection:
        found = customer_list.page(connection, customer_list.Wanted(NIGHT.date(), NIGHT.date()), limit=1)
    return f"/customers/{found.rows[0].code}"


def pin(console: Console) -> str:
    """The path of a PIN that lives, and can be rotated; nobody knows its digits."""
    at, house = console.clock.now(), console.house
    index = issuing.index_of(house, at)
    with house.database.write() as connection:
        found = pin_list.page(connection, pin_list.Which.UNUSED, at.date(), at.date(), limit=20)
        for row in found.rows:
            if row.pin.replaced_by is None and row.pin.expires is None:
                return f"/pins/{row.pin.id}"
        digits = registry.length_of_next(connection)
        code = customer(console).rpartition("/")[2]
        return f"/pins/{registry.issue(connection, 'test', at, code, registry.draw(index, digits))}"


def sheet(console: Console, then: str = "") -> str:
    """The path of the preview of a sheet that was checked, or of what came of writing it."""
    house, admin = console.house, console.users["admin"]
    name, folder = work_files.make(house)
    text = f"code;name\nNEW-{name[:8].upper()};New {name[:8]}\n"
    work_files.write(folder, customer_sheets.SHEET, text.encode())
    with house.database.write() as connection:
        at, place = console.clock.now(), work_files.place(house)
        job = jobs.ask(connection, at, admin, "customer-check", {"folder": name}, place)
    console.work()
    path = f"/customers/import/{job}"
    if then:
        answer = console.visitor("admin").post(path, path)
        console.work()
        return f"/customers/imported/{answer.headers['Location'].rpartition('/')[2]}"
    return path


def letters(console: Console) -> str:
    """The path of a run of letters that has ended."""
    house = console.house
    name, _ = work_files.make(house)
    asked = Letters("rotate", pins=()).written(name, work_files.new_key())
    with house.database.write() as connection:
        at, place = console.clock.now(), work_files.place(house)
        job = jobs.ask(connection, at, console.users["admin"], "letters", asked, place)
    console.work()
    return f"/pins/runs/{job}"


def swap(console: Console) -> str:
    """The path of a swap that waits for an answer."""
    settings, at = console.house.configuration, console.clock.now()
    with console.house.database.write() as connection:
        waiting = swaps.listed(connection, ("proposed",))
        if waiting:
            return f"/rota/swaps/{waiting[0].id}"
        book = roster.book(connection, "duty")
        turn = next(
            each
            for each in turns.turns(book, at + timedelta(days=1), at + timedelta(days=60))
            if each.rung == 1 and not each.begun_before
        )
        there = [each.key for each in roster.all_technicians(connection) if each.serves(turn.start)]
        for other in there:
            with suppress(roster.RosterRefusal):
                end = turn.start + timedelta(hours=1)
                made = swaps.propose(
                    connection,
                    "test",
                    at,
                    settings.ringing,
                    "duty",
                    1,
                    turn.technician,
                    other,
                    turn.start,
                    end,
                )
                return f"/rota/swaps/{made}"
    raise AssertionError("nobody can swap anything")


def recording(console: Console) -> int:
    """The id of a recorded sentence, `goodbye` in Italian; it is made if there is none."""
    at, house = console.clock.now(), console.house
    content = wav.write([0.1] * 800)
    made = Prepared(content, digest_of(content), 0.1, -20.0, -18.0, -15.0, 0.0)
    text = lines.sentence(own_voice.speaker(house.configuration), "it", at, "goodbye").text
    with house.database.write() as connection:
        put = kept.put(
            connection, "test", at, number="", language="it", line="goodbye", text=text, prepared=made
        )
    return put.id


def recorded_line(console: Console) -> str:
    """The path of a sentence that is recorded."""
    recording(console)
    return "/prompts/it/line/goodbye"


EXAMPLES: dict[str, Callable[[Console], str]] = {
    "customers.show": customer,
    "customers.history": lambda console: f"{customer(console)}/history",
    "customers.edit": lambda console: f"{customer(console)}/change",
    "customers.ending": lambda console: f"{customer(console)}/end",
    "customers.erasing": lambda console: f"{customer(console)}/erase",
    "customers.preview": sheet,
    "customers.imported": lambda console: sheet(console, "written"),
    "pins.show": pin,
    "pins.rotation": lambda console: f"{pin(console)}/rotate",
    "pins.run": letters,
    "work.show": lambda console: letters(console).replace("/pins/runs/", "/work/"),
    "work.progress": lambda console: letters(console).replace("/pins/runs/", "/work/") + "/progress",
    "cases.show": lambda console: f"/cases/{case(console)}",
    "cases.pulse": lambda console: f"/cases/{case(console)}/pulse",
    "duty.show": lambda console: f"/duty/cases/{case(console)}",
    "duty.pulse": lambda console: f"/duty/cases/{case(console)}/pulse",
    "calls.show": lambda console: f"/calls/{called(console)}",
    "calls.sound": message,
    "calls.listened": lambda console: f"{message(console)}/heard",
    "rota.turn": lambda console: (
        f"/rota/turn?{urlencode({'rung': 1, 'at': console.clock.now().isoformat()})}"
    ),
    "rota.swap": swap,
    "technicians.show": lambda console: "/technicians/anna",
    "technicians.change": lambda console: "/technicians/anna/change",
    "technicians.back": lambda console: "/technicians/anna/back",
    "technicians.card": lambda console: "/technicians/anna/card.vcf",
    "technicians.tests": lambda console: "/technicians/anna/tests",
    "prompts.listing": lambda console: "/prompts/it/listing",
    "prompts.show": recorded_line,
    "prompts.put": recorded_line,
    "prompts.sound": lambda console: f"/prompts/sound/{recording(console)}",
    "prompts.remove": lambda console: f"/prompts/sound/{recording(console)}/remove",
    "users.show": lambda console: f"/users/{console.users['dispatcher'].id}",
    "audit.verified": lambda console: verified(console),
    "hours.day": lambda console: "/hours/day/2026-10-25",
    "rehearse.show": rehearsed,
    "rehearse.save": lambda console: f"{rehearsed(console)}/save",
    "hours.instant": lambda console: "/hours/instant?date=2026-12-25&time=03:00",
}

# Endpoints that are no page to look at: files, what is asked for by a page itself, links that are good once.
NO_PAGES = {
    "rota.rules_file",
    "technicians.card",
    "technicians.tests",
    "customers.example",
    "work.progress",
    "cases.rows",
    "cases.pulse",
    "cases.sound",
    "duty.pulse_now",
    "duty.pulse",
    "duty.sound",
    "duty.contact",
    "calls.sound",
    "prompts.sound",
    "tonight.now",
    "tonight.wrong",
    "static",
    "healthz",
    "metrics",
    "login.enter",
    "login.welcome",
    "oidc.back",
    "rehearse.moment",
    "rehearse.customers",
}


def path_of(console: Console, endpoint: str) -> str:
    """A path at which this endpoint is met. Raises KeyError if its address has places and no example."""
    if endpoint in EXAMPLES:
        return EXAMPLES[endpoint](console)
    rules = [rule for rule in console.app.url_map.iter_rules() if rule.endpoint == endpoint]
    if rules[0].arguments:
        raise KeyError(f"{endpoint} has no example: {rules[0].rule}")
    return rules[0].rule


def pages_of(console: Console) -> dict[str, str]:
    """Every page that can be looked at, by endpoint, with a path."""
    found: dict[str, str] = {}
    for rule in console.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in NO_PAGES:
            found[rule.endpoint] = path_of(console, rule.endpoint)
    return dict(sorted(found.items()))
