"""The console's users: added with a link shown once, changed, reset, sent out, removed; rights in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import expect
from screens import Screen
from sqlalchemy import select
from test_axe import looked_at
from test_login import PASSWORD, code, set_up, try_to
from visitors import ROLES, Console, Visitor

from console.access import login, passwords, users
from console.access.roles import RIGHTS, May, Role
from storage.tables import audit


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same hash at next to no cost."""
    monkeypatch.setattr(passwords, "_HASH", passwords._HASH.using(memory_cost=8, time_cost=1))
    return


def acts(console: Console) -> list[tuple[str, str]]:
    with console.house.database.read() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.act).order_by(audit.c.id))
        return [tuple(row) for row in rows if row.act.startswith("user.")]  # type: ignore[misc]


def link_in(page: str) -> str:
    found = re.search(r"http://localhost:8081(/welcome/[\w-]{32})", page)
    assert found, page
    return found[1]


def add(visitor: Visitor, **given: str) -> str:
    sent = {"name": "mario", "full_name": "Mario Gialli", "role": "dispatcher"} | given
    answer = visitor.post("/users/add", "/users/add", **sent)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def test_a_user_is_added_and_his_link_is_shown_once(console: Console) -> None:
    visitor = console.visitor("admin")
    link = link_in(add(visitor, language="de", technician="bruno"))
    with console.house.database.read() as connection:
        made = users.find(connection, "mario")
        someone = connection.execute(select(audit.c.subject).order_by(audit.c.id.desc())).first()
    assert (made.role, made.language, made.technician) == (Role.DISPATCHER, "de", "bruno")
    assert "Mario Gialli" in console.visitor(None).page(link)
    assert (acts(console)[-1], someone) == (("user:giulia", "user.add"), (f"user:{made.id}",))
    for path in ("/users", f"/users/{made.id}"):
        assert link.rpartition("/")[2] not in visitor.page(path)
    assert "Non ancora entrato" in visitor.page(f"/users/{made.id}")
    console.clock.forward(hours=24)
    assert console.visitor(None).get(link).status_code == 410


def test_a_form_sent_twice_adds_nobody_more(console: Console) -> None:
    visitor = console.visitor("admin")
    fields = visitor.fields("/users/add", "/users/add")
    sent = {**fields, "name": "mario", "full-name": "Mario Gialli", "role": "reader"}
    answers = [
        visitor.client.post("/users/add", data=sent, base_url="http://localhost:8081") for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [200, 409]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "giulia"}, "già in uso"),
        ({"name": "Mario Rossi!"}, "da 1 a 64"),
        ({"full_name": ""}, None),
        ({"full_name": "x" * 121}, "da 1 a 120"),
        ({"role": "king"}, "Scelga un ruolo"),
        ({"role": "technician"}, "scelga chi è nei turni"),
        ({"technician": "nobody"}, "non è tra i tecnici"),
        ({"language": "fr"}, "delle lingue"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    console: Console, given: dict[str, str], said: str | None
) -> None:
    sent = {"name": "mario", "full_name": "Mario Gialli", "role": "dispatcher"} | given
    answer = console.visitor("admin").post("/users/add", "/users/add", **sent)
    if said is None:  # the name stands in for it
        assert answer.status_code == 200
        return
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said in page
    assert f'value="{sent["name"]}"' in page
    with console.house.database.read() as connection:
        assert len(users.everybody(connection)) == len(ROLES)


def test_a_user_is_changed_and_another_role_ends_his_sessions(console: Console) -> None:
    visitor, other = console.visitor("admin"), console.visitor("dispatcher")
    path = f"/users/{console.users['dispatcher'].id}"
    kept = {"full_name": "Paolo D.", "technician": "bruno", "language": "en"}
    assert "salvate" in visitor.done(path, path, role="dispatcher", **kept)
    assert "Paolo D." in other.page("/account")
    assert "salvate" in visitor.done(path, path, role="reader", **kept)
    assert other.get("/account").status_code == 303
    assert acts(console)[-2:] == [("user:giulia", "user.change")] * 2


def test_a_new_link_takes_everything_that_let_him_in(console: Console) -> None:
    secret, codes = set_up(console, "reader")
    there, visitor = console.visitor("reader"), console.visitor("admin")
    path = f"/users/{console.users['reader'].id}"
    answer = visitor.post(f"{path}/reset", path)
    fields = link_in(answer.get_data(as_text=True))
    assert there.get("/account").status_code == 303
    assert try_to(console.visitor(None), "elena", PASSWORD, codes[0])[0] == 403
    console.clock.forward(minutes=1)
    assert try_to(console.visitor(None), "elena", PASSWORD, code(console, secret))[0] == 403
    assert console.visitor(None).get(fields).status_code == 200
    assert acts(console)[-1] == ("user:giulia", "user.reset")


def test_a_closed_account_is_opened(console: Console) -> None:
    secret, _ = set_up(console, "reader")
    console.clock.forward(minutes=5)
    visitor = console.visitor("admin")
    path = f"/users/{console.users['reader'].id}"
    assert f"{path}/unlock" not in visitor.page(path)
    for _ in range(login.MOST_FAILURES):
        try_to(console.visitor(None), "elena", "guess", "")
    assert "Chiuso fino alle 22:35" in visitor.page("/users")
    assert "di nuovo aperto" in visitor.done(f"{path}/unlock", path)
    assert try_to(console.visitor(None), "elena", PASSWORD, code(console, secret))[0] == 303
    assert ("user:giulia", "user.unlock") in acts(console)


def test_somebody_s_sessions_are_ended(console: Console) -> None:
    there, visitor = console.visitor("reader"), console.visitor("admin")
    path = f"/users/{console.users['reader'].id}"
    assert "1 accesso aperto" in visitor.page(path)
    assert "sono stati chiusi" in visitor.done(f"{path}/end-sessions", path)
    assert there.get("/account").status_code == 303
    assert acts(console)[-1] == ("user:giulia", "user.sessions-end")


def test_a_removed_user_is_out_at_once_and_his_name_is_not_given_again(console: Console) -> None:
    there, visitor = console.visitor("reader"), console.visitor("admin")
    path = f"/users/{console.users['reader'].id}"
    assert "è stato rimosso" in visitor.done(f"{path}/remove", path)
    assert there.get("/account").status_code == 303
    assert visitor.get(path).status_code == 404
    assert "Elena Zanon" not in visitor.page("/users")
    assert visitor.post("/users/add", "/users/add", name="elena", role="reader").status_code == 422


@pytest.mark.parametrize("act", ["remove", "reset", "demote"])
def test_nobody_shuts_himself_out(console: Console, act: str) -> None:
    visitor = console.visitor("admin")
    path = f"/users/{console.users['admin'].id}"
    page = visitor.page(path)
    assert f"{path}/remove" not in page
    assert f"{path}/reset" not in page
    assert 'type="radio"' not in page
    again = visitor.fields("/users/add", "/users/add")["once"]
    if act == "demote":
        answer = visitor.post(path, path, role="reader", full_name="Giulia Moser")
    else:
        answer = visitor.post(f"{path}/{act}", once=again)
    assert answer.status_code == 422
    assert "Su sé stessi non si può" in answer.get_data(as_text=True)
    assert visitor.get("/users").status_code == 200


def test_the_last_admin_stays(console: Console) -> None:
    with console.house.database.write() as connection, pytest.raises(users.UserRefused, match="last admin"):
        users.remove(connection, "cli:root", console.clock.now(), "giulia")
    with console.house.database.write() as connection, pytest.raises(users.UserRefused, match="last admin"):
        users.change(
            connection,
            "cli:root",
            console.clock.now(),
            "giulia",
            role="reader",
            full_name="x",
            technician=None,
            language=None,
        )


def test_fifty_users_a_page_at_a_constant_number_of_queries(console: Console) -> None:
    visitor = console.visitor("admin")
    with console.statements() as few:
        visitor.page("/users")
    with console.house.database.write() as connection:
        for number in range(100):
            users.add(connection, "test", console.clock.now(), f"user-{number:03}", "reader")
    with console.statements() as many:
        page = visitor.page("/users")
    assert len(many) == len(few)
    seen: list[str] = []
    path: str | None = "/users"
    while path:
        page = visitor.page(path)
        names = re.findall(r'class="hint user-name">([^<]+)<', page)
        assert len(names) <= 50
        seen += names
        onward = re.search(r'href="(/users\?after=[^"]+)" rel="next"', page)
        path = onward[1] if onward else None
    assert len(seen) == len(set(seen)) == 104
    assert seen == sorted(seen)


def test_somebody_who_has_left_the_rota_is_pointed_out(console: Console) -> None:
    from sqlalchemy import update

    from oncall.tables import technicians

    with console.house.database.write() as connection:
        connection.execute(
            update(technicians).where(technicians.c.key == "anna").values(retired_at=console.clock.now())
        )
    visitor = console.visitor("admin")
    assert "non è più nei turni" in visitor.page("/users")
    assert '"anna"' in visitor.page(f"/users/{console.users['technician'].id}")
    assert '"anna"' not in visitor.page("/users/add")


def test_the_table_of_rights_says_what_holds(console: Console) -> None:
    page = console.visitor("admin", "en").page("/users/roles")
    rows = re.findall(r'<tr>\s*<th scope="row">(.*?)</tr>', page, re.DOTALL)
    assert len(rows) == len(May)
    for may, row in zip(May, rows, strict=True):
        said = [">Yes<" in cell for cell in row.split("<td")[1:]]
        assert said == [may in RIGHTS[role] for role in Role], may


# -- in a browser --------------------------------------------------------------------------------


def test_from_an_admin_s_click_to_a_new_user_at_work(screen: Screen) -> None:
    """The pages that appear once, looked at as all others are: the link, the welcome, the codes."""
    clock = screen.console.clock
    page = screen.open("/users", "admin")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Aggiungi un utente").click()
    page.get_by_label("Nome e cognome").fill("Mario Gialli")
    page.get_by_label("Nome utente").fill("mario")
    page.get_by_role("radio", name=re.compile("Osservatore")).check()
    page.get_by_role("button", name="Aggiungi e crea il collegamento").click()
    page.get_by_role("heading", name="Collegamento per Mario Gialli").wait_for()
    page.get_by_role("button", name="Copia il collegamento").click()
    page.get_by_role("button", name="Copiato").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{screen.address}/welcome/")
    wrong = list(looked_at(page))

    page = screen.open(link.removeprefix(screen.address), role=None)
    page.get_by_role("heading", name="Buongiorno, Mario Gialli").wait_for()
    wrong += looked_at(page)
    secret = page.locator("code.secret").inner_text().replace(" ", "")
    page.get_by_label("Nuova password").fill(PASSWORD)
    page.get_by_label("Ripeta la password").fill(PASSWORD)
    page.get_by_label("Le sei cifre").fill(pyotp.TOTP(secret).at(clock.now()))
    page.get_by_role("button", name="Conferma ed entra").click()
    page.get_by_role("heading", name="Codici di recupero").wait_for()
    expect(page.locator(".codes code")).to_have_count(login.RECOVERY_CODES)
    wrong += looked_at(page)
    page.get_by_role("link", name="Li ho custoditi, prosegui").click()
    page.get_by_role("banner").get_by_text("Mario Gialli").wait_for()

    clock.forward(minutes=1)
    page.goto(f"{screen.address}/account/factor")
    page.get_by_label("Password attuale").fill(PASSWORD)
    page.get_by_label("Codice", exact=True).fill(pyotp.TOTP(secret).at(clock.now()))
    page.get_by_role("button", name="Prosegui").click()
    page.get_by_role("heading", name="Colleghi la nuova app").wait_for()
    wrong += looked_at(page)
    assert wrong == []
