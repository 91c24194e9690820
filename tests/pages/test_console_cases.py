"""Cases at the office's desk: the list and its order, a case with its history, every act, what is billed."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from browser import choose
from making import NIGHT, a_case, a_sid
from nights import Night, night
from screens import Screen
from sqlalchemy import select, update
from visitors import Console, Visitor

from ivr import casework
from ivr.tables import outgoing
from oncall.cases import case_log, cases
from oncall.cases.cases import Case
from oncall.reaching import attempts
from oncall.tables import cases as case_rows
from pins import customers
from storage import audit


@dataclass
class Desk:
    """A dispatcher before a case of ACME's that nobody has, opened at ten."""

    console: Console
    visitor: Visitor
    number: str
    id: int

    @property
    def path(self) -> str:
        return f"/cases/{self.number}"

    def page(self, status: int = 200) -> str:
        return self.visitor.page(self.path, status)

    def form(self, act: str) -> dict[str, str]:
        """Hidden fields of the form of this act, as the page has it now."""
        page = self.visitor.get(self.path).get_data(as_text=True)
        for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
            hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
            if hidden.get("act") == act:
                return hidden
        raise AssertionError(f"no form to {act}")

    def send(self, form: dict[str, str], **more: str) -> tuple[int, str]:
        """Status, and what is said where it leads."""
        answer = self.visitor.client.post(
            f"{self.path}/act", data=form | more, base_url="http://localhost:8081", buffered=True
        )
        if answer.status_code == 303:
            return 303, said(self.visitor.page(answer.headers["Location"]))
        return answer.status_code, said(answer.get_data(as_text=True))

    def do(self, act: str, **more: str) -> str:
        status, text = self.send(self.form(act), **more)
        assert status == 303, (status, text)
        return text

    def now(self) -> Case:
        with self.console.house.database.read() as connection:
            return cases.find(connection, self.number)

    def log(self) -> list[str]:
        with self.console.house.database.read() as connection:
            return [f"{each.actor} {each.act}" for each in case_log.of(connection, self.id)]

    def meanwhile(self, technician: str) -> None:
        """A technician takes it by his telephone."""
        with self.console.house.database.write() as connection:
            known = cases.find(connection, self.number)
            casework.take(
                connection, f"technician:{technician}", self.console.clock.now(), known, technician, "phone"
            )


def said(page: str) -> str:
    found = re.search(r'class="(?:said|refused)" role="(?:status|alert)">(.*?)</p>', page, re.DOTALL)
    return html.unescape(found[1]) if found else ""


@pytest.fixture
def desk(console: Console) -> Desk:
    with console.house.database.write() as connection:
        opened = a_case(connection)
    console.clock.forward(minutes=5)
    return Desk(console, console.visitor("dispatcher"), opened.number, opened.id)


# -- the list ------------------------------------------------------------------------------------


def numbers(page: str) -> list[str]:
    return re.findall(r'<a id="case-([0-9-]+)"', page)


def test_the_most_urgent_that_nobody_has_come_first(console: Console) -> None:
    played = night(console)
    with console.house.database.write() as connection:
        late = a_case(connection, NIGHT - timedelta(hours=2), sid=a_sid(90))
        soon = a_case(connection, NIGHT - timedelta(minutes=1), sid=a_sid(91))
    page = console.visitor("reader").page("/cases")
    # MELE's P2 has four hours; ACME's is Anna's, whatever its clock says.
    assert numbers(page) == [late.number, soon.number, played.unanswered.case, played.connected.case]
    assert "in ritardo di 1 h" in page
    assert "mancano 59 min" in page
    assert "si cerca un tecnico" in page
    assert "Anna Rossi" in page


def test_one_connected_once_and_passed_on_is_before_those_that_somebody_has(console: Console) -> None:
    played = night(console)
    with console.house.database.write() as connection:
        acme = cases.find(connection, played.connected.case)
        casework.pass_on(connection, "technician:anna via link", console.clock.now(), acme)
    assert numbers(console.visitor().page("/cases")) == [played.connected.case, played.unanswered.case]
    assert numbers(console.visitor().page("/cases?who=-"))[0] == played.connected.case
    assert numbers(console.visitor().page("/cases?who=anna")) == []


FOUND = {
    "tab=all": "ba",
    "tab=closed": "",
    "tab=all&q=frutticoltori": "b",
    "tab=all&q=acme": "a",
    "tab=all&q=nobody": "",
    "tab=all&customer=mele": "b",
    "tab=all&urgency=P2": "b",
    "tab=all&urgency=P7": "",
    "tab=all&who=anna": "a",
    "tab=all&who=-": "b",
    "tab=all&from=2026-03-10&to=2026-03-10": "ba",
    "tab=all&from=2026-03-11": "",
    "tab=all&to=2026-03-09": "",
    "tab=rubbish&from=rubbish&after=rubbish&urgency=%27&who=%00": "",
}


def test_cases_are_found(console: Console) -> None:
    played = night(console)
    known = {played.connected.case: "a", played.unanswered.case: "b"}
    visitor = console.visitor("reader")
    for query, found in FOUND.items():
        assert "".join(known[each] for each in numbers(visitor.page(f"/cases?{query}"))) == found, query


def test_by_number_and_by_spoken_code(desk: Desk) -> None:
    for text in (desk.number, desk.now().code):
        assert numbers(desk.visitor.page(f"/cases?tab=all&q={text}")) == [desk.number]
    answer = desk.visitor.get(f"/cases/{desk.now().code}")
    assert answer.headers["Location"] == desk.path


@pytest.mark.parametrize("tab", ["open", "closed", "all"])
def test_every_case_is_on_one_page_and_pages_cost_the_same(console: Console, tab: str) -> None:
    def asked(path: str) -> tuple[int, str]:
        with console.statements() as found:
            page = visitor.page(path)
        return len(found), page

    with console.house.database.write() as connection:
        for number in range(120):
            opened = a_case(connection, NIGHT - timedelta(minutes=number // 2), sid=a_sid(number + 1))
            if number % 10 == 0:
                values: dict[str, Any] = {"due_at": None, "urgency": None, "screened": True}
                connection.execute(update(case_rows).where(case_rows.c.id == opened.id).values(**values))
            if tab == "closed":
                connection.execute(
                    update(case_rows).where(case_rows.c.id == opened.id).values(closed_at=NIGHT)
                )
    visitor = console.visitor()
    path, seen, counts = f"/cases?tab={tab}", [], []
    while path:
        count, page = asked(path)
        counts.append(count)
        assert len(numbers(page)) <= 50
        seen += numbers(page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1] if following else ""
    assert len(seen) == len(set(seen)) == 120
    assert len(counts) == 4
    assert max(counts) <= counts[0] + 3
    if tab == "all":
        assert seen == sorted(seen, key=lambda n: (int(n[5:]) - 1) // 2)


# -- a case --------------------------------------------------------------------------------------


def test_it_tells_the_whole_story_and_leads_to_its_calls(console: Console) -> None:
    played = night(console)
    visitor = console.visitor("dispatcher")
    page = visitor.page(f"/cases/{played.unanswered.case}")
    for text in (
        "Frutticoltori Val di Sole",
        "mancano 3 h",
        "Nessuno",
        "Si cerca un tecnico",
        "Anna Rossi non ha risposto",
        "Dario Neri non ha risposto",
        "Chiamata da +393471112202",
        f'href="/calls/{played.unanswered.sid}"',
        "Messaggio lasciato",
    ):
        assert text in page, text
    assert "Anna Rossi ha parlato con il chiamante" in visitor.page(f"/cases/{played.connected.case}")
    # Voices are for those who may hear them.
    path = f"/cases/{played.unanswered.case}"
    heard = console.visitor("dispatcher").get(f"{path}/sound/1")
    assert (heard.status_code, heard.mimetype) == (200, "audio/mpeg")
    assert console.visitor("dispatcher").get(f"{path}/sound/2").status_code == 404
    assert console.visitor("reader").get(f"{path}/sound/1").status_code == 403
    assert "<audio" not in console.visitor("reader").page(path)
    desk = Desk(console, visitor, played.unanswered.case, 0)
    assert desk.do("heard") == "Il messaggio risulta ascoltato."
    assert "Ascoltato da Paolo Degasperi" in desk.page()


def test_whoever_only_looks_is_offered_no_act(desk: Desk) -> None:
    reader = desk.console.visitor("reader")
    assert "/act" not in reader.page(desk.path)
    assert reader.post(f"{desk.path}/act", act="take").status_code == 403


def test_whoever_acted_is_called_by_his_name(desk: Desk) -> None:
    desk.do("note", text="Router down")
    with desk.console.house.database.write() as connection:
        at = desk.console.clock.now()
        casework.note(connection, "cli:root", at, desk.now(), "From the terminal")
        casework.note(connection, "technician:bruno via link", at, desk.now(), "From his phone")
        case_log.write(connection, at, desk.id, "ivr", "breached")
    page = desk.page()
    for text in (
        "Paolo Degasperi ha scritto una nota",
        "Router down",
        "root, da riga di comando ha scritto una nota",
        "Bruno Bianchi ha scritto una nota",
        "Il termine è passato",
    ):
        assert text in page, text


@pytest.mark.parametrize("language", ["it", "en", "de"])
def test_there_are_words_for_every_act_result_and_refusal(console: Console, language: str) -> None:
    from typing import get_args

    from console.case_acts import ACTS
    from console.web.words import texts

    known = texts(language)
    assert {f"cases.log-{act}" for act in get_args(case_log.Act)} <= set(known)
    assert {f"cases.result-{result}" for result in get_args(attempts.Result)} <= set(known)
    assert {f"cases.said-{act}" for act in ACTS} <= set(known)


# -- acts ----------------------------------------------------------------------------------------


def test_a_case_is_given_to_a_technician(desk: Desk) -> None:
    assert desk.do("take", technician="dario") == "Il caso è stato preso in carico."
    assert (desk.now().taken_by, desk.now().taken_via) == ("dario", "hand")
    assert desk.log() == ["user:paolo taken"]
    assert "Paolo Degasperi ha affidato il caso a Dario Neri" in desk.page()


def test_it_is_taken_from_a_colleague_only_by_somebody_who_knows_of_him(desk: Desk) -> None:
    stale = desk.form("take")
    desk.meanwhile("anna")
    status, text = desk.send(stale, technician="dario")
    assert status == 422
    assert text.startswith("Nel frattempo il caso è passato a Anna Rossi")
    assert desk.now().taken_by == "anna"
    desk.do("take", technician="dario")
    assert desk.now().taken_by == "dario"
    assert "Paolo Degasperi: il caso passa da Anna Rossi a Dario Neri" in desk.page()


@pytest.mark.parametrize(
    ("act", "more"),
    [
        ("pass", {"reason": "x"}),
        ("close", {"outcome": "Fixed", "minutes": "5"}),
        ("reclassify", {"code": "P2", "reason": "x"}),
    ],
)
def test_a_stale_page_does_nothing(desk: Desk, act: str, more: dict[str, str]) -> None:
    desk.do("take", technician="anna")
    stale = desk.form(act)
    desk.meanwhile("bruno")
    before = desk.log()
    status, text = desk.send(stale, **more)
    assert (status, text[:40]) == (422, "Nel frattempo il caso è passato a Bruno ")
    assert desk.log() == before
    assert desk.now().closed_at is None


def test_a_form_sent_twice_is_done_once(desk: Desk) -> None:
    form = desk.form("note")
    assert desk.send(form, text="Once")[0] == 303
    assert desk.send(form, text="Once") == (303, "Era già stato fatto: non è cambiato nulla.")
    assert desk.log() == ["user:paolo note"]


def test_passed_on_it_is_pursued_again(desk: Desk) -> None:
    with pytest.raises(AssertionError, match="no form"):
        desk.form("pass")
    desk.do("take", technician="anna")
    desk.do("pass", reason="on the road")
    assert desk.now().taken_by is None
    assert "Si cerca un tecnico" in desk.page()


def test_reclassified_both_codes_are_shown(desk: Desk) -> None:
    desk.do("reclassify", code="P2", reason="Only one seat")
    page = desk.page()
    assert (desk.now().urgency, desk.now().level) == ("P1+", "P2")
    assert "dichiarata P1+" in page
    assert "Paolo Degasperi ha cambiato l'urgenza da P1+ a P2" in page
    assert "Only one seat" in page


@pytest.mark.parametrize(
    ("act", "more", "why"),
    [
        ("note", {"text": " "}, "Scriva la nota"),
        ("reclassify", {"code": "P2", "reason": ""}, "Scriva il motivo"),
        ("reclassify", {"code": "P1+", "reason": "x"}, "Scelga un'urgenza diversa"),
        ("reclassify", {"code": "P9", "reason": "x"}, "Scelga un'urgenza diversa"),
        ("close", {"outcome": "", "minutes": "5"}, "Scriva come si è concluso"),
        ("close", {"outcome": "Done & <gone>", "minutes": "²"}, "Scriva i minuti"),
        ("take", {"technician": ""}, "Scelga un tecnico"),
        ("take", {"technician": "nobody"}, "Scelga un tecnico"),
        ("merge", {"other-number": "9999-1"}, "Nessun caso ha questo numero"),
        ("merge", {"other-number": "SELF"}, "È lo stesso caso"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_is_kept(
    desk: Desk, act: str, more: dict[str, str], why: str
) -> None:
    more = {name: desk.number if text == "SELF" else text for name, text in more.items()}
    answer = desk.visitor.client.post(
        f"{desk.path}/act", data=desk.form(act) | more, base_url="http://localhost:8081", buffered=True
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said(page).startswith(why)
    assert desk.log() == []
    for name, text in more.items():
        if len(text) > 3 and name != "technician":
            assert html.escape(text) in page


def test_closed_with_its_minutes_and_opened_again(desk: Desk) -> None:
    desk.do("take", technician="anna")
    desk.do("close", outcome="Router restarted", minutes="35")
    page = desk.page()
    assert (desk.now().minutes, desk.now().closed_by) == (35, "user:paolo")
    assert "35 minuti" in page
    assert "Chiuso da Paolo Degasperi" in page
    assert numbers(desk.visitor.page("/cases?tab=closed")) == [desk.number]
    assert desk.do("reopen", reason="Not yet") == "Il caso è di nuovo aperto."
    assert desk.now().taken_by == "anna"
    desk.do("close", outcome="Now", minutes="0")
    desk.console.clock.forward(hours=25)
    assert "non si può più riaprire" in desk.console.visitor("dispatcher").page(desk.path)


def test_merged_the_older_goes_on(desk: Desk) -> None:
    with desk.console.house.database.write() as connection:
        younger = a_case(connection, NIGHT + timedelta(minutes=3), sid=a_sid(7))
    assert younger.number in desk.page()
    desk.do("merge", other=younger.number)
    page = desk.visitor.page(f"/cases/{younger.number}")
    assert f'id="goes-on" href="/cases/{desk.number}"' in page
    assert "Chiamata da" in desk.page()


def test_cases_of_two_customers_are_not_merged(desk: Desk) -> None:
    with desk.console.house.database.write() as connection:
        other = a_case(connection, sid=a_sid(7))
        mele = customers.customer(connection, "MELE").id
        connection.execute(update(case_rows).where(case_rows.c.id == other.id).values(customer_id=mele))
    status, text = desk.send(desk.form("merge"), **{"other-number": other.number})
    assert (status, text) == (422, "I due casi sono di clienti diversi: non si possono unire.")


def test_the_customer_of_a_screened_caller_is_named(desk: Desk) -> None:
    with desk.console.house.database.write() as connection:
        connection.execute(
            update(case_rows).values(screened=True, customer_id=None, urgency=None, due_at=None)
        )
    assert "Chiamante non verificato" in desk.page()
    answer = desk.visitor.post(f"{desk.path}/customer", q="val di")
    page = answer.get_data(as_text=True)
    assert "È Frutticoltori Val di Sole (MELE)" in page
    form = next(f for f in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'value="MELE"' in f)
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
    assert desk.send(hidden) == (303, "Il cliente è registrato.")
    with desk.console.house.database.read() as connection:
        assert desk.now().customer_id == customers.customer(connection, "MELE").id


def test_a_technician_s_phone_is_rung_and_that_the_office_asked_is_on_record(desk: Desk) -> None:
    assert desk.do("call", technician="anna") == "Fra qualche secondo squilla il telefono."
    with desk.console.house.database.read() as connection:
        placed = connection.execute(select(outgoing)).all()
        acts = audit.acts(connection, [f"case:{desk.number}"])
    assert [(row.technician, row.purpose) for row in placed] == [("anna", "call-back")]
    assert ("user:paolo", "case.call") in [(act.actor, act.act) for act in acts]


def test_the_page_says_by_itself_that_somebody_took_it(desk: Desk) -> None:
    found = re.search(r'hx-get="([^"]+)"', desk.visitor.get(desk.path).get_data(as_text=True))
    assert found
    assert "Nel frattempo" not in desk.visitor.page(found[1])
    desk.meanwhile("anna")
    piece = desk.visitor.page(found[1])
    assert "Nel frattempo il caso è passato a Anna Rossi." in piece
    assert 'id="history" hx-swap-oob="true"' in piece


# -- what is billed ------------------------------------------------------------------------------


def exported(visitor: Visitor, **fields: str) -> list[dict[str, str]]:
    answer = visitor.client.post(
        "/cases/export",
        data=visitor.fields("/cases/export", "/cases/export") | fields,
        base_url="http://localhost:8081",
        buffered=True,
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert "attachment" in answer.headers["Content-Disposition"]
    text = answer.get_data(as_text=True)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:]), delimiter=";"))


DAYS = {"from": "2026-03-01", "to": "2026-03-31"}


def test_what_is_billed_comes_as_a_file_and_is_on_record(console: Console) -> None:
    played = night(console)
    desk = Desk(console, console.visitor("dispatcher"), played.connected.case, 0)
    desk.do("close", outcome="Restarted", minutes="40")
    lines = exported(desk.visitor, **DAYS, what="lines")
    acme = [line for line in lines if line["Codice cliente"] == "ACME"]
    assert [line["Che cosa"] for line in acme] == ["chiamata", "lavoro"]
    assert int(acme[0]["Durata (s)"]) >= 240
    assert int(acme[0]["Conversazione (s)"]) >= 240
    assert acme[0]["Cliente"] == "ACME S.r.l."
    assert acme[1]["Minuti di lavoro"] == "40"
    (total,) = exported(desk.visitor, **DAYS, what="totals", customer="acme")
    assert (total["Chiamate"], total["Minuti di lavoro"]) == ("1", "40")
    with console.house.database.write() as connection:
        assert [act.actor for act in audit.acts(connection, ["cases"])] == ["user:paolo", "user:paolo"]
        customers.change(connection, "test", NIGHT, "ACME", name="=HYPERLINK(1)")
    (total,) = exported(desk.visitor, **DAYS, what="totals", customer="acme")
    assert total["Cliente"] == "'=HYPERLINK(1)", "no cell is a formula"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "L'ultimo giorno viene prima"),
        ({"from": "2024-03-02", "to": "2026-03-01"}, "Al massimo un anno"),
        ({"from": "x", "to": "y"}, "Scriva due giorni"),
        (DAYS | {"customer": "NOBODY"}, "Nessun cliente ha questo codice"),
    ],
)
def test_a_file_that_cannot_be_is_refused(console: Console, fields: dict[str, str], why: str) -> None:
    visitor = console.visitor("dispatcher")
    form = visitor.fields("/cases/export", "/cases/export")
    answer = visitor.client.post("/cases/export", data=form | fields, base_url="http://localhost:8081")
    assert answer.status_code == 422
    assert said(answer.get_data(as_text=True)).startswith(why)


# -- in a browser --------------------------------------------------------------------------------


def test_by_the_keyboard_alone(screen: Screen) -> None:
    played: Night = night(screen.console)
    page = screen.open(f"/cases/{played.unanswered.case}", "dispatcher")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"{selector} is never reached")

    tab_to("#take-whom")
    choose(page, "Dario")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Il caso è stato preso in carico.")
    page.wait_for_load_state()
    tab_to("details:has(#note-text) > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Called back")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("blockquote:has-text('Called back')")
    with screen.console.house.database.read() as connection:
        assert cases.find(connection, played.unanswered.case).taken_by == "dario"
