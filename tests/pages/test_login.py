"""Coming in: the welcome link, password and second factor, failures, locks, sessions that end."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyotp
import pytest
from cryptography.fernet import Fernet
from making import configuration, fresh_database
from pydantic import SecretStr
from sqlalchemy import select, update
from visitors import Clock, Console, Visitor, console_in

from console.access import keys, login, passwords, sessions, users
from console.app import create_app
from console.house import House
from console.tables import console_sessions, console_users
from storage.tables import due_work

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


# -- what an attacker may try --------------------------------------------------------------------


def test_a_login_begins_with_a_cookie_of_its_own(console: Console) -> None:
    """A cookie that somebody else put into the browser is worth nothing afterwards."""
    _, codes = set_up(console)
    visitor = console.visitor(None)
    planted = console.visitor("reader")
    visitor.client.set_cookie("ivr-session", "planted" * 6)
    assert try_to(visitor, "giulia", PASSWORD, codes[0])[0] == 303
    assert _cookie(visitor) != "planted" * 6
    again = console.visitor(None)
    again.client.set_cookie("ivr-session", _cookie(planted))
    form = again.token("/nothing")
    given = {"form-token": form, "name": "giulia", "password": PASSWORD, "code": codes[1]}
    answer = again.client.post("/login", base_url="http://localhost:8081", data=given)
    assert answer.status_code == 303
    assert _cookie(again) != _cookie(planted)
    assert "Giulia Moser" in again.page("/account")
    assert "Elena Zanon" in planted.page("/account")


def test_tokens_of_the_visitor_end_with_the_login(console: Console) -> None:
    _, codes = set_up(console)
    visitor = console.visitor(None)
    before = visitor.token()
    assert try_to(visitor, "giulia", PASSWORD, codes[0])[0] == 303
    assert visitor.client.get_cookie("ivr-visitor") is None
    answer = visitor.client.post(
        "/account/language", base_url="http://localhost:8081", data={"form-token": before, "language": "en"}
    )
    assert answer.status_code == 403


def test_what_is_kept_of_a_session_is_no_cookie(console: Console) -> None:
    visitor = console.visitor("admin")
    with console.house.database.read() as connection:
        (kept,) = connection.execute(select(console_sessions.c.digest)).scalars()
    assert kept != _cookie(visitor)
    visitor.client.set_cookie("ivr-session", kept)
    assert visitor.get("/account").status_code == 303


def test_a_removed_user_s_session_ends_with_him(console: Console) -> None:
    visitor = console.visitor("reader")
    with console.house.database.write() as connection:
        connection.execute(
            update(console_users)
            .where(console_users.c.name == "elena")
            .values(removed_at=console.clock.now())
        )
    assert visitor.get("/account").status_code == 303


@pytest.mark.parametrize(("role", "status"), [("reader", 200), ("dispatcher", 303)])
def test_another_role_ends_the_sessions_of_the_old_one(console: Console, role: str, status: int) -> None:
    visitor = console.visitor("reader")
    with console.house.database.write() as connection:
        users.change(
            connection, "test", console.clock.now(), "elena", role=role, full_name="E. Z.", technician=None,
            language=None,
        )  # fmt: skip
    assert visitor.get("/account").status_code == status


@pytest.mark.parametrize(
    "case", ["known", "unknown", "not set up", "locked", "removed", "no password", "no name"]
)
def test_every_try_costs_one_hash(console: Console, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Nobody learns by the clock who is a user here."""
    set_up(console)
    set_up(console, "reader")
    with console.house.database.write() as connection:
        users.remove(connection, "test", console.clock.now(), "elena")
    if case == "locked":
        for _ in range(login.MOST_FAILURES):
            try_to(console.visitor(None), "giulia", "wrong", "1")
    hashed: list[str] = []
    kept = passwords._HASH

    class Counted:
        def verify(self, password: str, against: str) -> bool:
            hashed.append(against)
            return bool(kept.verify(password, against))

    monkeypatch.setattr(passwords, "_HASH", Counted())
    name = {"unknown": "nobody", "not set up": "paolo", "removed": "elena", "no name": ""}.get(case, "giulia")
    given = "" if case == "no password" else "a guess"
    assert try_to(console.visitor(None), name, given, "123456")[0] == 403
    assert len(hashed) == 1


def test_who_does_not_exist_costs_as_much_as_who_does() -> None:
    """The hash that stands in for a user who is not there has the parameters of the others."""
    made = passwords._NOBODY.split("$")
    assert made[1:4] == ["argon2id", "v=19", "m=65536,t=3,p=1"]


def test_ten_failures_raise_an_alarm_once(console: Console) -> None:
    set_up(console)
    for _ in range(login.MOST_FAILURES + 3):
        try_to(console.visitor(None), "giulia", "wrong sentence", "000000")
    with console.house.database.read() as connection:
        rows = (
            connection.execute(select(due_work.c.payload).where(due_work.c.kind == "alarm")).scalars().all()
        )
    assert len([row for row in rows if "console-locked" in str(row)]) == 1


def test_many_guesses_at_once_are_not_more_than_ten(console: Console) -> None:
    """The failures are counted on the row, under its lock: twenty at the same instant change nothing."""
    secret, _ = set_up(console)
    console.clock.forward(minutes=5)
    with ThreadPoolExecutor(8) as pool:
        tries = [
            pool.submit(_quietly, console, "giulia", "guess", "000000") for _ in range(login.MOST_FAILURES)
        ]
        assert not any(each.result() for each in tries)
    assert not _quietly(console, "giulia", PASSWORD, code(console, secret))


def _quietly(console: Console, name: str, password: str, given: str) -> bool:
    while True:
        try:
            login.log_in(console.house, console.clock.now(), name, password, given)
        except passwords.Busy:
            continue
        except login.LoginRefused:
            return False
        return True


@pytest.mark.parametrize("given", ["à²³456", "٣٣٣٣٣٣", "12345678901234567890", "------", "123 456"])
def test_a_code_of_other_letters_is_wrong_and_nothing_worse(console: Console, given: str) -> None:
    set_up(console)
    assert try_to(console.visitor(None), "giulia", PASSWORD, given)[0] == 403
    with console.house.database.write() as connection:
        token = users.welcome(connection, console.clock.now(), console.users["reader"])
    visitor = console.visitor(None)
    data = {
        "form-token": visitor.token(f"/welcome/{token}"),
        "password": PASSWORD,
        "again": PASSWORD,
        "code": given,
    }
    answer = visitor.client.post(f"/welcome/{token}", base_url="http://localhost:8081", data=data)
    assert answer.status_code == 422


def test_a_second_factor_outlives_a_change_of_keys(tmp_path: Path) -> None:
    """service.keys is a list: what the older key has sealed is opened and sealed anew at a login, so that the
    older key may go afterwards; recovery codes end with it.
    """
    old = configuration(tmp_path)
    with fresh_database(tmp_path) as database:
        console = console_in(tmp_path, House(old, database), Clock())
        secret, codes = set_up(console)
        fresh = SecretStr(Fernet.generate_key().decode())
        service = old.service.model_copy(update={"keys": [fresh, *old.service.keys]})
        changed = House(old.model_copy(update={"service": service}), database)
        later = Console(changed, create_app(changed, console.clock.now), console.clock, console.users)
        console.clock.forward(minutes=5)
        assert try_to(later.visitor(None), "giulia", PASSWORD, code(later, secret))[0] == 303
        assert try_to(later.visitor(None), "giulia", PASSWORD, codes[0])[0] == 303
        assert keys.unseal(old, keys.seal(changed.configuration, "x")) is None
        gone = old.service.model_copy(update={"keys": [fresh]})
        bare = House(old.model_copy(update={"service": gone}), database)
        without = Console(bare, create_app(bare, console.clock.now), console.clock, console.users)
        console.clock.forward(minutes=5)
        assert try_to(without.visitor(None), "giulia", PASSWORD, code(without, secret))[0] == 303
        assert try_to(without.visitor(None), "giulia", PASSWORD, codes[1])[0] == 403


def test_an_accented_letter_is_the_same_however_it_was_typed(console: Console) -> None:
    kept = passwords.hashed("perché no, così va bene")
    assert passwords.right("perche\u0301 no, cosi\u0300 va bene", kept)
    assert not passwords.right("perche no, cosi va bene", kept)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "short"),
        ("x" * 201, "long"),
        ("aaaaaaaaaaaa", "simple"),
        ("1234567890123", "simple"),
        ("Password2026!", "simple"),
        ("P@ssw0rd1234", "simple"),
        ("benvenuto2026", "simple"),
        ("qwertyuiop12", "simple"),
        ("anna loves her work", "name"),
        ("una frase da ricordare", None),
        ("Password e pane, un sasso", None),
    ],
)
def test_a_new_password(password: str, why: str | None) -> None:
    if why is None:
        passwords.check_new(password, "anna", "Cloudfabric")
        return
    with pytest.raises(passwords.PasswordRefused) as refused:
        passwords.check_new(password, "anna", "Cloudfabric")
    assert refused.value.why == why


def test_whoever_sets_himself_up_on_his_phone_opens_the_app_from_the_page(console: Console) -> None:
    with console.house.database.write() as connection:
        token = users.welcome(connection, console.clock.now(), console.users["reader"])
    page = console.visitor(None).page(f"/welcome/{token}")
    address = re.search(r'href="(otpauth://totp/[^"]+)"', page)
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', page)
    assert address
    assert secret
    assert pyotp.parse_uri(address[1]).secret == secret[1].replace(" ", "")
