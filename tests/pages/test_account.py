"""One's own account: everything that would let somebody in asks again who it is; sessions are one's own."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pyotp
import pytest
from sqlalchemy import select
from test_login import PASSWORD, code, set_up, try_to
from visitors import Console, Visitor

from console.access import keys, login, passwords, sessions, users
from console.tables import console_links, console_sessions, console_users
from console.web import jobs
from console.web.shown.account import device

NEW = "un'altra frase da tenere"


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same hash at next to no cost."""
    monkeypatch.setattr(passwords, "_HASH", passwords._HASH.using(memory_cost=8, time_cost=1))
    return


@pytest.fixture
def secret(console: Console) -> str:
    """Of the second factor of the admin, who set himself up five minutes ago."""
    made, _ = set_up(console)
    console.clock.forward(minutes=5)
    return made


def prove(console: Console, secret: str, **more: str) -> dict[str, str]:
    return {"password": PASSWORD, "code": code(console, secret), **more}


def open_now(console: Console, role: str = "admin") -> int:
    with console.house.database.read() as connection:
        return len(sessions.open_sessions(connection, console.clock.now(), console.users[role]))


# -- what it shows -------------------------------------------------------------------------------


def test_it_says_who_one_is_and_what_one_may_do(console: Console) -> None:
    found = console.visitor("technician").page("/account")
    assert "Anna Rossi" in found
    assert "Tecnico" in found
    assert "Vedere i propri turni, casi e scambi" in found
    assert "Gestire gli utenti della console" not in found
    assert "Gestire gli utenti della console" in console.visitor("admin").page("/account")


def test_one_chooses_one_s_language(console: Console) -> None:
    visitor = console.visitor("reader")
    assert "The language has been changed" in visitor.done("/account/language", "/account", language="en")
    assert "Ihr Profil" in visitor.done("/account/language", "/account", language="de")
    assert visitor.post("/account/language", "/account", language="fr").status_code == 404
    assert "Il Suo profilo" in visitor.done("/account/language", "/account", language="")


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Firefox/140.0", "Firefox Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "Chrome Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140 Mobile Safari/537.36", "Chrome Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18 Safari/605.1.15", "Safari macOS"),
        ("curl/8", ""),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_its_name(agent: str, said: str) -> None:
    assert " ".join(device(agent)).strip() == said


# -- password ------------------------------------------------------------------------------------


def change(visitor: Visitor, **given: str) -> tuple[int, str]:
    answer = visitor.post("/account/password", "/account/password", **given)
    return answer.status_code, html.unescape(answer.get_data(as_text=True))


def test_the_password_is_changed_by_whoever_has_it_and_the_other_sessions_end(
    console: Console, secret: str
) -> None:
    visitor, other = console.visitor("admin"), console.visitor("admin")
    said = visitor.done(
        "/account/password", "/account/password", **prove(console, secret, new=NEW, again=NEW)
    )
    assert "La password è cambiata" in said
    assert other.get("/account").status_code == 303
    console.clock.forward(minutes=1)
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 403
    assert try_to(console.visitor(None), "giulia", NEW, code(console, secret))[0] == 303


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"password": "something else"}, 422, "non sono giusti"),
        ({"code": "000000"}, 422, "non sono giusti"),
        ({"new": "short"}, 422, "troppo corta"),
        ({"new": "a sentence with giulia in it"}, 422, "non può contenere"),
        ({"new": "Password123!"}, 422, "troppo facile"),
        ({"again": "not the same"}, 422, "non sono uguali"),
        ({"new": PASSWORD, "again": PASSWORD}, 422, "che ha già"),
    ],
)
def test_the_password_is_not_changed(
    console: Console, secret: str, given: dict[str, str], status: int, said: str
) -> None:
    sent = {"new": NEW, "again": given.get("new", NEW), **given}
    found = change(console.visitor("admin"), **prove(console, secret) | sent)
    assert found[0] == status
    assert said in found[1]
    assert NEW not in found[1]
    console.clock.forward(minutes=1)
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 303


def test_ten_failures_from_within_close_the_account_and_end_its_sessions(
    console: Console, secret: str
) -> None:
    visitor = console.visitor("admin")
    for _ in range(login.MOST_FAILURES - 1):
        assert change(visitor, password="guess", code="000000", new=NEW, again=NEW)[0] == 422
    assert change(visitor, password="guess", code="000000", new=NEW, again=NEW)[0] == 303
    assert open_now(console) == 0
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 403


def test_failures_of_a_login_and_from_within_are_counted_together(console: Console, secret: str) -> None:
    visitor = console.visitor("admin")
    for _ in range(login.MOST_FAILURES - 1):
        try_to(console.visitor(None), "giulia", "guess", "")
    assert change(visitor, password="guess", code="000000", new=NEW, again=NEW)[0] == 303
    assert open_now(console) == 0


def test_a_stranger_who_closes_the_account_ends_nobody_s_session(console: Console, secret: str) -> None:
    visitor = console.visitor("admin")
    for _ in range(login.MOST_FAILURES):
        try_to(console.visitor(None), "giulia", "guess", "")
    assert change(visitor, **prove(console, secret, new=NEW, again=NEW))[0] == 422
    assert visitor.get("/account").status_code == 200


# -- second factor -------------------------------------------------------------------------------


def begin_factor(console: Console, visitor: Visitor, secret: str) -> tuple[str, str]:
    """The ticket and the new secret, of whoever has proved who he is."""
    answer = visitor.post("/account/factor", "/account/factor", **prove(console, secret))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 200, shown
    ticket, new = (
        re.search(r'name="ticket" value="([^"]+)"', shown),
        re.search(r'"secret">([A-Z2-7 ]+)<', shown),
    )
    assert ticket
    assert new
    return ticket[1], new[1].replace(" ", "")


def test_another_authenticator_counts_once_its_code_is_here(console: Console, secret: str) -> None:
    visitor, other = console.visitor("admin"), console.visitor("admin")
    ticket, new = begin_factor(console, visitor, secret)
    assert new != secret
    console.clock.forward(minutes=1)
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 303
    wrong = visitor.post("/account/factor/prove", ticket=ticket, code="000000")
    assert wrong.status_code == 422
    assert new[:4] in wrong.get_data(as_text=True)
    said = visitor.done("/account/factor/prove", ticket=ticket, code=code(console, new))
    assert "Ora vale la nuova app" in said
    assert other.get("/account").status_code == 303
    console.clock.forward(minutes=1)
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 403
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, new))[0] == 303


def test_the_new_key_is_not_shown_to_whoever_only_sits_at_the_computer(console: Console, secret: str) -> None:
    answer = console.visitor("admin").post(
        "/account/factor", "/account/factor", password=PASSWORD, code="000000"
    )
    assert answer.status_code == 422
    assert 'class="secret"' not in answer.get_data(as_text=True)


def test_what_sets_up_an_authenticator_is_of_one_session_and_of_ten_minutes(
    console: Console, secret: str
) -> None:
    visitor, other = console.visitor("admin"), console.visitor("admin")
    ticket, new = begin_factor(console, visitor, secret)
    assert other.post("/account/factor/prove", ticket=ticket, code=code(console, new)).status_code == 422
    assert visitor.post("/account/factor/prove", ticket="x", code=code(console, new)).status_code == 422
    console.clock.forward(minutes=10)
    late = visitor.post("/account/factor/prove", ticket=ticket, code=code(console, new))
    assert late.status_code == 422
    assert "troppo tempo" in late.get_data(as_text=True)
    with console.house.database.read() as connection:
        assert connection.execute(select(console_users.c.totp_step).where(console_users.c.name == "giulia"))
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 303


def test_no_new_key_is_kept_before_it_is_proved(console: Console, secret: str) -> None:
    def kept() -> str | None:
        with console.house.database.read() as connection:
            sealed = connection.execute(
                select(console_users.c.totp).where(console_users.c.name == "giulia")
            ).scalar_one()
        return keys.unseal(console.house.configuration, sealed)

    before = kept()
    begin_factor(console, console.visitor("admin"), secret)
    assert kept() == before == secret


# -- recovery codes ------------------------------------------------------------------------------


def test_new_recovery_codes_take_the_place_of_the_old(console: Console) -> None:
    secret, old = set_up(console)
    console.clock.forward(minutes=5)
    visitor = console.visitor("admin")
    assert "Le restano 10 codici" in visitor.page("/account")
    answer = visitor.post("/account/codes", "/account/codes", **prove(console, secret))
    made = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", answer.get_data(as_text=True))
    assert len(made) == 10
    assert not set(made) & set(old)
    assert made[0] not in visitor.page("/account")
    assert try_to(console.visitor(None), "giulia", PASSWORD, old[0])[0] == 403
    assert try_to(console.visitor(None), "giulia", PASSWORD, made[0])[0] == 303
    assert "Le restano 9 codici" in visitor.page("/account")


def test_no_codes_without_proof_and_a_warning_when_they_run_out(console: Console) -> None:
    _, codes = set_up(console)
    visitor = console.visitor("admin")
    answer = visitor.post("/account/codes", "/account/codes", password=PASSWORD, code="")
    assert answer.status_code == 422
    for each in codes[:6]:
        try_to(console.visitor(None), "giulia", PASSWORD, each)
    assert "momento di farne" not in visitor.page("/account")
    try_to(console.visitor(None), "giulia", PASSWORD, codes[6])
    assert "momento di farne" in visitor.page("/account")


# -- sessions ------------------------------------------------------------------------------------


def session_ids(console: Console, role: str) -> list[int]:
    with console.house.database.read() as connection:
        return list(
            connection.scalars(
                select(console_sessions.c.id).where(console_sessions.c.user_id == console.users[role].id)
            )
        )


def test_one_of_one_s_sessions_is_ended(console: Console) -> None:
    visitor, other = console.visitor("reader"), console.visitor("reader")
    (_, second) = session_ids(console, "reader")
    assert "L'accesso è stato chiuso" in visitor.done(f"/account/sessions/{second}/end", "/account")
    assert other.get("/account").status_code == 303
    assert visitor.get("/account").status_code == 200


def test_nobody_ends_another_s_session(console: Console) -> None:
    victim, visitor = console.visitor("admin"), console.visitor("reader")
    (session,) = session_ids(console, "admin")
    assert visitor.post(f"/account/sessions/{session}/end").status_code == 404
    assert victim.get("/account").status_code == 200


def test_all_others_are_ended_at_once(console: Console) -> None:
    visitor, *others = (console.visitor("reader") for _ in range(3))
    foreign = console.visitor("admin")
    assert "Tutti gli altri" in visitor.done("/account/sessions/end-others", "/account")
    assert [each.get("/account").status_code for each in (visitor, foreign, *others)] == [200, 200, 303, 303]


def test_a_code_of_the_authenticator_is_good_once_here_too(console: Console, secret: str) -> None:
    shown = code(console, secret)
    assert try_to(console.visitor(None), "giulia", PASSWORD, shown)[0] == 303
    answer = console.visitor("admin").post("/account/codes", "/account/codes", password=PASSWORD, code=shown)
    assert answer.status_code == 422
    assert pyotp.TOTP(secret).verify(shown, for_time=console.clock.now())


def test_sessions_and_links_that_are_over_are_forgotten_after_a_week(console: Console) -> None:
    """Where somebody logged in from is nobody's business for ever."""
    console.visitor("reader")
    with console.house.database.write() as connection:
        users.welcome(connection, console.clock.now(), console.users["reader"])
    console.clock.forward(days=9)
    kept = console.visitor("admin")
    with console.house.database.write() as connection:
        users.welcome(connection, console.clock.now(), console.users["dispatcher"])
    jobs.sweep(console.house, console.clock.now())
    assert session_ids(console, "reader") == []
    assert kept.get("/account").status_code == 200
    with console.house.database.read() as connection:
        owners = connection.execute(select(console_links.c.user_id)).scalars().all()
    assert owners == [console.users["dispatcher"].id]
