"""Coming in: the welcome link, password and second factor, failures, locks, sessions that end."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pyotp
import pytest
from visitors import Console, Visitor

from console.access import login, passwords, sessions, users

PASSWORD = "una frase da ricordare"


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same hash at next to no cost."""
    monkeypatch.setattr(passwords, "_HASH", passwords._HASH.using(memory_cost=8, time_cost=1))
    return


def set_up(console: Console, role: str = "admin") -> tuple[str, list[str]]:
    """Let a user set himself up by his link; returns the secret of his second factor and his codes."""
    with console.house.database.write() as connection:
        token = users.welcome(connection, console.clock.now(), console.users[role])
    visitor = console.visitor(None)
    page = visitor.page(f"/welcome/{token}")
    found = re.search(r'class="secret">([A-Z2-7 ]+)<', page)
    assert found
    secret = found[1].replace(" ", "")
    answer = visitor.client.post(
        f"/welcome/{token}",
        base_url="http://localhost:8081",
        data={
            "form-token": visitor.token(f"/welcome/{token}"),
            "password": PASSWORD,
            "again": PASSWORD,
            "code": code(console, secret),
        },
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    codes = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", answer.get_data(as_text=True))
    assert len(codes) == login.RECOVERY_CODES
    assert visitor.get("/").status_code != 403
    return secret, codes


def code(console: Console, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(console.clock.now().timestamp()) + 30 * steps)


def try_to(visitor: Visitor, name: str, password: str, given: str, wanted: str = "") -> tuple[int, str]:
    """Try to log in; the status and where it leads, or what is said."""
    answer = visitor.client.post(
        "/login",
        base_url="http://localhost:8081",
        data={
            "form-token": visitor.token(),
            "name": name,
            "password": password,
            "code": given,
            "next": wanted,
        },
    )
    said = re.search(r'role="alert">(.*?)<', answer.get_data(as_text=True), re.DOTALL)
    return answer.status_code, answer.headers.get("Location") or html.unescape(said[1] if said else "")


def test_a_new_user_sets_himself_up_once_and_logs_in(console: Console) -> None:
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    assert try_to(console.visitor(None), "Giulia", PASSWORD, code(console, secret)) == (303, "/")


def test_a_code_is_good_once(console: Console) -> None:
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    shown = code(console, secret)
    assert try_to(console.visitor(None), "giulia", PASSWORD, shown)[0] == 303
    assert try_to(console.visitor(None), "giulia", PASSWORD, shown)[0] == 403
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret, 1))[0] == 303
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret, 2))[0] == 403


def test_a_recovery_code_is_good_once_in_place_of_the_six_digits(console: Console) -> None:
    _, codes = set_up(console)
    assert try_to(console.visitor(None), "giulia", PASSWORD, codes[3])[0] == 303
    assert try_to(console.visitor(None), "giulia", PASSWORD, codes[3])[0] == 403
    assert try_to(console.visitor(None), "giulia", PASSWORD, codes[4].replace("-", "").upper())[0] == 303


@pytest.mark.parametrize("wrong", ["name", "password", "code", "no code"])
def test_nothing_tells_what_was_wrong(console: Console, wrong: str) -> None:
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    given = {
        "name": ("nobody", PASSWORD, code(console, secret)),
        "password": ("giulia", "another sentence", code(console, secret)),
        "code": ("giulia", PASSWORD, "000000"),
        "no code": ("giulia", PASSWORD, ""),
    }[wrong]
    status, said = try_to(console.visitor(None), *given)
    assert (status, said.split(".")[0]) == (403, "Nome, password o codice non sono giusti")


def test_ten_failures_close_the_account_for_half_an_hour(console: Console) -> None:
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    for _ in range(login.MOST_FAILURES):
        assert try_to(console.visitor(None), "giulia", "wrong sentence", code(console, secret))[0] == 403
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 403
    console.clock.forward(minutes=29)
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 403
    console.clock.forward(minutes=1, seconds=1)
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 303


def test_the_command_line_opens_it_at_once(console: Console) -> None:
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    for _ in range(login.MOST_FAILURES):
        try_to(console.visitor(None), "giulia", "wrong sentence", "")
    with console.house.database.write() as connection:
        users.unlock(connection, "test", console.clock.now(), "giulia")
    assert try_to(console.visitor(None), "giulia", PASSWORD, code(console, secret))[0] == 303


def test_a_session_ends_when_nobody_is_there(console: Console) -> None:
    visitor = console.visitor("admin")
    assert visitor.get("/login").status_code == 303  # he is in
    console.clock.forward(minutes=15, seconds=1)
    assert visitor.get("/login").status_code == 200


def test_a_session_ends_after_twelve_hours_whatever_is_done(console: Console) -> None:
    visitor = console.visitor("admin")
    for _ in range(12 * 6):
        console.clock.forward(minutes=10)
        with console.house.database.write() as connection:
            found = sessions.find(connection, console.clock.now(), _cookie(visitor))
            if found is not None:
                sessions.seen(connection, console.clock.now(), found)
    assert visitor.get("/login").status_code == 303
    console.clock.forward(seconds=1)
    assert visitor.get("/login").status_code == 200


def _cookie(visitor: Visitor) -> str:
    found = visitor.client.get_cookie("ivr-session")
    assert found
    return found.value


def test_going_out_ends_it(console: Console) -> None:
    visitor = console.visitor("admin")
    kept = _cookie(visitor)
    assert (
        visitor.client.post(
            "/logout", data={"form-token": visitor.token("/nothing")}, base_url="http://localhost:8081"
        ).status_code
        == 303
    )
    visitor.client.set_cookie("ivr-session", kept)
    assert visitor.get("/login").status_code == 200


@pytest.mark.parametrize(
    "evil", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", ""]
)
def test_nobody_is_led_elsewhere(console: Console, evil: str) -> None:
    _, codes = set_up(console)
    assert try_to(console.visitor(None), "giulia", PASSWORD, codes[0], evil) == (303, "/")


def test_one_is_led_back(console: Console) -> None:
    _, codes = set_up(console)
    assert try_to(console.visitor(None), "giulia", PASSWORD, codes[0], "/calls?q=x") == (303, "/calls?q=x")


def test_a_demonstration_s_link_lets_in_once(console: Console) -> None:
    from datetime import timedelta

    with console.house.database.write() as connection:
        token = users.enter(connection, console.clock.now(), console.users["reader"], timedelta(hours=1))
    visitor = console.visitor(None)
    assert visitor.client.head(f"/enter/{token}", base_url="http://localhost:8081").status_code == 410
    assert visitor.get(f"/enter/{token}").headers["Location"] == "/"
    assert visitor.get("/login").status_code == 303
    assert console.visitor(None).get(f"/enter/{token}").status_code == 410
