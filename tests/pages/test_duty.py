"""A technician's own pages: his turn, his cases and nobody else's, swaps, absences, calendar, telephone."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from making import NIGHT, RINGING, a_case, a_sid, rome
from nights import night
from screens import Screen
from sqlalchemy import insert, select
from visitors import Console, Visitor

from console.access import users
from ivr import casework
from ivr.tables import outgoing
from oncall.calendars import feeds
from oncall.cases import cases
from oncall.cases.cases import Case
from oncall.reaching import attempts
from oncall.rota import absences, roster, rota_file, swaps
from oncall.tables import rota_overrides, shift_checks

# Anna has rung 1 until 16 March; then Bruno, then Carla, a week each. Dario is always on rung 2.
GIVE = "rota=duty&rung=1&from=2026-03-30T18:30&to=2026-03-31T18:30"
OTHER_ROTA = """
[[technician]]
key = "elsa"
name = "Elsa Gialli"
phone = "+393331234505"
[[rota]]
key = "other"
  [[rota.rung]]
  people = ["elsa"]
"""


@dataclass
class Own:
    """A technician at his own pages."""

    console: Console
    visitor: Visitor

    def page(self, path: str = "/duty", status: int = 200) -> str:
        return self.visitor.page(path, status)

    def text(self, path: str = "/duty") -> str:
        """What the page says, without its tags."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.page(path)).split())

    def forms(self, path: str) -> list[dict[str, str]]:
        page = self.visitor.get(path).get_data(as_text=True)
        return [
            {name: html.unescape(value) for name, value in re.findall(HIDDEN, form)}
            | {"action": html.unescape(re.findall(r'action="([^"]*)"', form)[0])}
            for form in re.findall(r"<form[^>]*post.*?</form>", page, re.DOTALL)
        ]

    def form(self, path: str, action: str, act: str = "") -> dict[str, str]:
        """Hidden fields of the form with this action, and of this act if it is one of several."""
        for form in self.forms(path):
            if form["action"] == action and act in ("", form.get("act")):
                return form
        raise AssertionError(f"{path} has no form for {action} {act}")

    def send(self, form: dict[str, str], **more: str) -> tuple[int, str, str]:
        """Status, the whole page, and what it says first."""
        data = {**form, **{name.replace("_", "-"): value for name, value in more.items()}}
        answer = self.visitor.client.post(
            data.pop("action"), data=data, base_url="http://localhost:8081", buffered=True
        )
        status = answer.status_code
        if status == 303:
            answer = self.visitor.get(answer.headers["Location"])
        page = html.unescape(answer.get_data(as_text=True))
        found = re.search(r'class="(?:said|refused)" role="(?:status|alert)">(.*?)</p>', page, re.DOTALL)
        return status, page, found[1] if found else ""

    def do(self, number: str, act: str, **more: str) -> tuple[int, str]:
        path = f"/duty/cases/{number}"
        status, _, said = self.send(self.form(path, f"{path}/act", act), **more)
        return status, said

    def case(self, number: str) -> Case:
        with self.console.house.database.read() as connection:
            return cases.find(connection, number)


HIDDEN = r'type="hidden" name="([^"]+)" value="([^"]*)"'


@pytest.fixture
def anna(console: Console) -> Own:
    return Own(console, console.visitor("technician"))


def somebody(console: Console, key: str) -> Own:
    """Another technician, logged in."""
    with console.house.database.write() as connection:
        name = f"console-{key}"
        console.users[key] = users.add(
            connection, "test", console.clock.now(), name, "technician", technician=key
        )
    return Own(console, console.visitor(key))


def opened(console: Console, number: int = 1) -> str:
    """An open case of rota duty that nobody has and nobody was rung for."""
    with console.house.database.write() as connection:
        return a_case(connection, sid=a_sid(number)).number


def taken(console: Console, number: str, technician: str) -> None:
    with console.house.database.write() as connection:
        known = cases.find(connection, number)
        casework.take(connection, f"technician:{technician}", console.clock.now(), known, technician, "phone")


# -- his turn ------------------------------------------------------------------------------------


def test_he_sees_whether_he_is_on_duty_with_whom_and_until_when(anna: Own) -> None:
    page = anna.page()
    for text in ("È di turno", "livello 1", "fino a", "lun 16 mar 18:30", "Dario Neri", "Bruno Bianchi"):
        assert text in page, text
    anna.console.clock.at = rome("2026-03-18 12:00")
    page = Own(anna.console, anna.console.visitor("technician")).page()
    assert "Non è di turno" in page
    assert "lun 30 mar 18:30" in page


def test_his_turns_of_two_months_say_what_is_not_his_by_the_rota(anna: Own) -> None:
    with anna.console.house.database.write() as connection:
        start, end = rome("2026-03-18 18:30"), rome("2026-03-19 08:00")
        roster.override(connection, "test", NIGHT, "duty", 1, start, end, "anna")
        swapped = swaps.propose(
            connection,
            "technician:carla",
            NIGHT,
            RINGING,
            "duty",
            1,
            "carla",
            "anna",
            rome("2026-03-24 18:30"),
            rome("2026-03-25 18:30"),
        )
        swaps.answer(
            connection,
            "technician:anna",
            NIGHT,
            RINGING,
            anna.console.house.configuration.notices,
            swapped,
            "accept",
        )
        away = rome("2026-04-06 18:30"), rome("2026-04-07 18:30")
        absences.record(connection, "technician:bruno", NIGHT, "bruno", *away, "holiday")
    page = anna.page("/duty/turns")
    turns = re.findall(r'<li class="card.*?</li>', page, re.DOTALL)
    told = [" ".join(re.sub(r"<[^>]+>", " ", turn).split()) for turn in turns]
    assert [("sostituzione" in t, "scambio" in t) for t in told][:4] == [
        (False, False),
        (True, False),
        (False, True),
        (False, False),
    ]
    assert "mer 18 mar 18:30 – gio 19 mar 08:00" in told[1]


def test_he_says_that_he_can_be_reached(anna: Own) -> None:
    anna.console.clock.at = rome("2026-03-30 17:30")
    own = Own(anna.console, anna.console.visitor("technician"))
    with anna.console.house.database.write() as connection:
        for technician in ("anna", "bruno"):
            connection.execute(
                insert(shift_checks).values(
                    rota="duty",
                    rung=1,
                    technician=technician,
                    shift_at=rome("2026-03-30 18:30"),
                    asked_at=rome("2026-03-30 17:20"),
                )
            )
    assert "Il Suo turno comincia alle 18:30: può essere chiamato?" in own.page()
    form = own.form("/duty", "/duty/check")
    assert own.send(form, said="cannot")[2] == "I colleghi sono avvisati."
    assert own.send(form, said="can")[2] == "Grazie: risulta raggiungibile."
    assert "Ha confermato" in own.page()
    with anna.console.house.database.read() as connection:
        found = connection.execute(select(shift_checks).order_by(shift_checks.c.id)).all()
    assert found[0].confirmed_at is not None
    assert own.send(form | {"check": str(found[1].id)}, said="can")[0] == 404
    assert found[1].confirmed_at is None


# -- his cases, and nobody else's ----------------------------------------------------------------

PATHS = ("", "/pulse")
ACTS = ("take", "pass", "note", "reclassify", "close", "name", "call", "reopen")


def not_there(own: Own, number: str) -> bool:
    """Whether the case is not there for him: neither its page nor any of its acts."""
    path = f"/duty/cases/{number}"
    token = own.visitor.token("/duty/absences")
    answers = [own.visitor.get(path + each).status_code for each in (*PATHS, "/sound/1")]
    for act in ACTS:
        form = {"action": f"{path}/act", "form-token": token, "once": f"{act:-<9}{number:->15}"}
        form |= {"act": act, "has": "", "text": "x", "reason": "x", "outcome": "x", "minutes": "1"}
        answers.append(own.send(form, code="P2")[0])
    answers.append(own.send({"action": f"{path}/customer", "form-token": token}, q="acme")[0])
    return set(answers) == {404}


def test_what_is_not_his_to_see_is_not_there(console: Console) -> None:
    """Carla is on no rung tonight, and nobody rang her."""
    played = night(console)
    carla = somebody(console, "carla")
    held, free = played.connected.case, played.unanswered.case
    before = (carla.case(held), carla.case(free))
    assert not_there(carla, held)
    assert not_there(carla, free)
    assert not_there(carla, "2026-99999")
    assert not_there(carla, carla.case(free).code)
    assert (carla.case(held), carla.case(free)) == before
    page = carla.page()
    assert "Nessun caso aspetta." in page
    assert "ACME" not in page


@pytest.mark.parametrize(
    "path", ["/cases", "/cases/{}", "/cases/{}/pulse", "/cases/{}/sound/1", "/customers"]
)
def test_the_office_s_pages_are_closed_to_him(anna: Own, path: str) -> None:
    assert anna.visitor.get(path.format(opened(anna.console))).status_code == 403


def test_a_colleague_s_case_is_not_there_even_for_whoever_is_on_duty(anna: Own) -> None:
    number = opened(anna.console)
    taken(anna.console, number, "dario")
    assert number not in anna.page()
    assert anna.visitor.get(f"/duty/cases/{number}").status_code == 404


def test_nor_is_one_of_a_rota_that_he_is_not_on(anna: Own) -> None:
    with anna.console.house.database.write() as connection:
        roster.apply(connection, "test", NIGHT - timedelta(days=1), RINGING, rota_file.read(OTHER_ROTA))
    elsa = somebody(anna.console, "elsa")
    number = opened(anna.console)
    assert number in anna.page()
    assert not_there(elsa, number)


def test_whoever_was_rung_sees_it_also_after_his_turn(anna: Own) -> None:
    number = opened(anna.console)
    with anna.console.house.database.write() as connection:
        case = cases.find(connection, number)
        attempt = attempts.begin_attempt(connection, NIGHT, case.id, case.call_sid, "carla", "+39", 1)
        attempts.settle(connection, NIGHT, attempt, "no-answer", bridged=False)
    carla = somebody(anna.console, "carla")
    assert number in carla.page()
    assert "Carla Verdi non ha risposto" in carla.page(f"/duty/cases/{number}")


def test_what_ended_in_his_hands_is_his_for_a_day(anna: Own) -> None:
    number = opened(anna.console)
    anna.do(number, "take")
    assert anna.do(number, "close", outcome="Restarted", minutes="12") == (303, "Il caso è chiuso.")
    assert "Chiusi da poco" in anna.page()
    dario = somebody(anna.console, "dario")
    assert dario.visitor.get(f"/duty/cases/{number}").status_code == 404
    assert anna.do(number, "reopen") == (303, "Il caso è di nuovo aperto.")
    anna.do(number, "close", outcome="Restarted", minutes="12")
    anna.console.clock.forward(hours=25)
    later = Own(anna.console, anna.console.visitor("technician"))
    assert number not in later.page()
    assert later.visitor.get(f"/duty/cases/{number}").status_code == 404


# -- his acts ------------------------------------------------------------------------------------


def test_he_takes_one_from_the_list_and_works_it(anna: Own) -> None:
    number = opened(anna.console)
    form = anna.form("/duty", f"/duty/cases/{number}/act")
    status, page, said = anna.send(form)
    assert (status, said) == (303, "Il caso è stato preso in carico.")
    assert "Lei" in page
    assert anna.send(form)[2] == "Era già stato fatto: non è cambiato nulla."
    assert anna.do(number, "note", text="On my way")[0] == 303
    assert anna.do(number, "reclassify", code="P2", reason="One seat")[0] == 303
    assert anna.do(number, "call") == (303, "Fra qualche secondo squilla il telefono.")
    assert anna.do(number, "pass", reason="Ill") == (303, "Il caso è passato ai colleghi.")
    assert anna.case(number).taken_by is None
    page = anna.page(f"/duty/cases/{number}")
    for text in ("Anna Rossi ha preso in carico", "On my way", "da P1+ a P2", "Anna Rossi ha passato"):
        assert text in page, text
    with anna.console.house.database.read() as connection:
        assert connection.execute(select(outgoing.c.technician)).scalars().all() == ["anna"]


def test_one_that_a_colleague_took_meanwhile_stays_his(anna: Own) -> None:
    number = opened(anna.console)
    path = f"/duty/cases/{number}"
    list_form, page_form = anna.form("/duty", f"{path}/act"), anna.form(path, f"{path}/act", "note")
    pulse = re.search(r'hx-get="([^"]*pulse[^"]*)"', anna.visitor.get(path).get_data(as_text=True))
    taken(anna.console, number, "dario")
    for form in (list_form, page_form):
        status, _, said = anna.send(form, text="Mine?")
        assert status == 422
        assert said.startswith(f"Nel frattempo il caso {number} non è più Suo")
    assert anna.case(number).taken_by == "dario"
    assert pulse
    assert "non è più Suo" in anna.page(html.unescape(pulse[1]))


def test_nobody_acts_for_somebody_else(anna: Own) -> None:
    number = opened(anna.console)
    form = anna.form("/duty", f"/duty/cases/{number}/act")
    anna.send(form | {"technician": "dario"})
    assert anna.case(number).taken_by == "anna"
    path = f"/duty/cases/{number}"
    form = anna.form(path, f"{path}/act", "note") | {"act": "merge", "other": number}
    assert anna.send(form)[0] == 400


def test_a_dispatcher_who_has_turns_acts_as_the_technician_he_is(console: Console) -> None:
    number = opened(console)
    with console.house.database.write() as connection:
        console.users["dispatcher"] = users.change(
            connection,
            "test",
            NIGHT,
            "paolo",
            role="dispatcher",
            full_name="Paolo Degasperi",
            technician="dario",
            language=None,
        )
    own = Own(console, console.visitor("dispatcher"))
    assert own.do(number, "take") == (303, "Il caso è stato preso in carico.")
    assert own.case(number).taken_by == "dario"


def test_without_a_technician_there_are_no_own_pages(console: Console) -> None:
    assert console.visitor("admin").get("/duty").status_code == 403


# -- swaps ---------------------------------------------------------------------------------------


def test_a_night_is_given_after_its_effect_was_seen(anna: Own) -> None:
    bruno = somebody(anna.console, "bruno")
    page = anna.page(f"/duty/swaps/new?{GIVE}")
    assert re.search(r"Dario Neri <span[^>]*>già di turno", page)
    path = f"/duty/swaps/new?{GIVE}&with=bruno"
    page = anna.text(path)
    assert "Lei → Bruno Bianchi" in page
    assert "lun 30 mar 18:30 – mar 31 mar 18:30" in page
    assert anna.send(anna.form(path, "/duty/swaps/new"))[2] == "La proposta è partita."
    assert "Un collega Le propone uno scambio" in bruno.page()
    page = bruno.page("/duty/swaps")
    assert "Anna Rossi → Lei" in page
    answer = bruno.form("/duty/swaps", "/duty/swaps/1/answer")
    assert anna.send(answer | {"form-token": anna.visitor.token("/duty/swaps")}, said="accept")[0] == 422
    assert bruno.send(answer, said="accept")[2] == "Lo scambio vale: i turni sono cambiati."
    with anna.console.house.database.read() as connection:
        (row,) = connection.execute(select(rota_overrides)).all()
    assert (row.technician, row.because, row.swap_id) == ("bruno", "swap", 1)
    assert "mar 31 mar 18:30 – lun 6 apr 18:30" in anna.text("/duty/turns")
    assert "accettato" in anna.page("/duty/swaps")


def test_a_night_is_exchanged_for_a_part_of_the_other_s_turn(anna: Own) -> None:
    bruno = somebody(anna.console, "bruno")
    path = f"/duty/swaps/new?{GIVE}&with=bruno"
    choice = re.search(r'name="back" value="(1\.2026031[^"]+)"', anna.page(path))
    assert choice
    path += f"&back={choice[1]}&back-from=2026-03-17T18:30&back-to=2026-03-18T18:30"
    page = anna.page(path)
    assert "Bruno Bianchi → Lei" in page
    assert anna.send(anna.form(path, "/duty/swaps/new"))[0] == 303
    with anna.console.house.database.read() as connection:
        swap = swaps.find(connection, 1)
    assert swap.back is not None
    assert (swap.back.start, swap.back.end) == (rome("2026-03-17 18:30"), rome("2026-03-18 18:30"))
    assert bruno.send(bruno.form("/duty/swaps", "/duty/swaps/1/answer"), said="decline")[2] == (
        "La proposta è rifiutata."
    )


def test_an_offer_is_withdrawn(anna: Own) -> None:
    path = f"/duty/swaps/new?{GIVE}&with=bruno"
    anna.send(anna.form(path, "/duty/swaps/new"))
    form = anna.form("/duty/swaps", "/duty/swaps/1/answer")
    carla = somebody(anna.console, "carla")
    foreign = form | {"form-token": carla.visitor.token("/duty/absences")}
    assert carla.send(foreign, said="withdraw")[0] == 404
    assert anna.send(form, said="withdraw")[2] == "La proposta è ritirata."
    assert anna.send(form, said="withdraw")[2] == "È già stato deciso."


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("rung=1&from=2026-03-17T18:30&to=2026-03-18T18:30&with=bruno", "Non tutte quelle ore"),
        ("rung=1&from=2026-03-30T18:30&to=2026-03-31T18:30&with=dario", "già di turno"),
        ("rung=1&from=2026-03-31T18:30&to=2026-03-30T18:30&with=bruno", "La fine viene prima"),
        ("rung=1&from=2026-03-09T18:30&to=2026-03-10T18:30&with=bruno", "Il passato resta"),
        ("rung=1&from=2026-03-29T02:30&to=2026-03-31T18:30&with=bruno", "quell'ora non esiste"),
        ("rung=1&from=x&to=2026-03-31T18:30&with=bruno", "Scriva un giorno e un'ora validi"),
    ],
)
def test_an_offer_that_cannot_be_is_refused_before_it_is_made(anna: Own, query: str, why: str) -> None:
    page = anna.page(f"/duty/swaps/new?rota=duty&{query}")
    assert why in page
    assert "Proponi a" not in page
    token = anna.visitor.token("/duty/absences")
    fields = dict(part.split("=", 1) for part in query.split("&"))
    form = {"action": "/duty/swaps/new", "form-token": token, "once": "a-token-of-this-very-test"}
    assert anna.send(form | fields | {"rota": "duty"})[0] == 422
    with anna.console.house.database.read() as connection:
        assert swaps.listed(connection) == []


# -- absences ------------------------------------------------------------------------------------


def test_an_absence_is_seen_entered_and_taken_back(anna: Own) -> None:
    path = "/duty/absences?from=2026-03-11T08:00&to=2026-03-12T08:00&kind=holiday"
    page = anna.page(path)
    assert "Lei → Bruno Bianchi" in page
    with anna.console.house.database.read() as connection:
        assert absences.of(connection, "anna", NIGHT, NIGHT + timedelta(days=9)) == []
    assert anna.send(anna.form(path, "/duty/absences"))[2] == "L'assenza è registrata."
    form = anna.form("/duty/absences", "/duty/absences/1/withdraw")
    bruno = somebody(anna.console, "bruno")
    assert bruno.send(form | {"form-token": bruno.visitor.token("/duty/absences")})[0] == 404
    assert "ritirata" in anna.send(form)[2]


def test_of_one_that_leaves_a_hole_he_is_warned_and_the_office_told(console: Console) -> None:
    with console.house.database.write() as connection:
        for key in ("anna", "bruno", "carla"):
            absences.record(connection, "test", NIGHT, key, NIGHT, NIGHT + timedelta(days=3), "holiday")
    dario = somebody(console, "dario")
    path = "/duty/absences?from=2026-03-11T08:00&to=2026-03-12T08:00&kind=illness"
    assert "resterebbe senza nessuno di turno" in dario.page(path)
    assert (
        "un periodo resta senza nessuno di turno" in dario.send(dario.form(path, "/duty/absences"))[2].lower()
    )


def test_what_his_calendar_says_is_not_taken_back_here(anna: Own) -> None:
    with anna.console.house.database.write() as connection:
        absences.record(
            connection, "test", NIGHT, "anna", NIGHT, NIGHT + timedelta(days=1), "holiday", source="cal:1"
        )
    assert "dal Suo calendario" in anna.page("/duty/absences")
    form = {"action": "/duty/absences/1/withdraw", "form-token": anna.visitor.token("/duty/absences")}
    assert anna.send(form)[0] == 404


# -- telephone and calendar ----------------------------------------------------------------------


def test_the_calendar_s_address_is_shown_once(anna: Own) -> None:
    form = anna.form("/duty/phone", "/duty/calendar")
    status, page, _ = anna.send(form)
    found = re.search(r"https://ivr\.example\.net/cal/([A-Za-z0-9_-]{32})\.ics", page)
    assert status == 200
    assert found
    assert found[1] not in anna.page("/duty/phone")
    assert anna.send(form)[0] == 409, "a form sent again makes no second address"
    with anna.console.house.database.read() as connection:
        feed = feeds.find(connection, anna.console.clock.now(), found[1])
    assert feed is not None
    assert feed.technician == "anna"
    assert "non funziona più" in anna.send(anna.form("/duty/phone", "/duty/calendar/end"))[2]
    with anna.console.house.database.read() as connection:
        assert feeds.find(connection, anna.console.clock.now(), found[1]) is None


def test_his_phone_is_called_for_a_try_and_nobody_else_s(anna: Own) -> None:
    form = anna.form("/duty/phone", "/duty/phone/test")
    assert anna.send(form | {"phone": "+393331234502"})[0] == 400
    assert anna.send(form)[2] == "Fra qualche secondo squilla il Suo telefono."
    assert "non si sa ancora com'è andata" in anna.page("/duty/phone")
    with anna.console.house.database.read() as connection:
        assert connection.execute(select(outgoing.c.phone)).scalars().all() == ["+393331234501"]
    card = anna.visitor.get("/duty/contact.vcf")
    assert card.mimetype == "text/vcard"
    assert "+390461825060" in card.get_data(as_text=True)


# -- in a browser --------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False])
def test_a_case_is_taken_and_closed_by_thumb(screen: Screen, script: bool) -> None:
    number = opened(screen.console)
    page = screen.open("/duty", "technician", phone=True, script=script)

    def tap(selector: str) -> None:
        page.wait_for_load_state()  # only then is everything of the size that it stays
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["height"] >= 44, f"{selector} is too small for a thumb"
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.click(selector)

    tap(f"#take-{number}")
    page.wait_for_selector("text=Il caso è stato preso in carico.")
    tap("summary:has-text('Chiudi il caso')")
    page.fill("#outcome", "Riavviato il server")
    page.fill("#minutes", "25")
    tap("button:has-text('Chiudi il caso')")
    page.wait_for_selector("text=Il caso è chiuso.")
    with screen.console.house.database.read() as connection:
        case = cases.find(connection, number)
    assert (case.taken_by, case.minutes, case.closed_by) == ("anna", 25, "technician:anna via console")
