"""Logging in by an identity provider: the whole way with a real one on this machine, and what may be wrong
with what it, or somebody in its name, says.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from crawling import HERE, token
from making import EXAMPLE, configuration, fresh_database, opened_at, with_lines
from playwright.sync_api import Browser
from provider import CLIENT, SECRET, Provider, serving
from pydantic import SecretStr
from screens import Screen, shown
from sqlalchemy import select
from test_axe import looked_at
from visitors import Clock, Console, Visitor, console_in
from werkzeug.test import TestResponse

from console import settings
from console.access import login, passwords, users
from console.house import House
from console.tables import console_links, console_users
from storage.tables import audit

MARIO = "mario.gialli@example.net"


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash at next to no cost."""
    monkeypatch.setattr(passwords, "_HASH", passwords._HASH.using(memory_cost=8, time_cost=1))
    monkeypatch.setattr(passwords, "_NOBODY", passwords.hashed("nobody's"))


@pytest.fixture
def provider() -> Iterator[tuple[Provider, Clock]]:
    clock = Clock()
    with serving(clock.now) as served:
        yield served, clock


def console_with(folder: Path, provider: Provider, clock: Clock, **more: str) -> Iterator[Console]:
    made = configuration(folder)
    changed = made.console.model_copy(
        update={
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SecretStr(SECRET),
            **more,
        }
    )
    with fresh_database(folder) as database:
        url = str(database.engine.url)
    with opened_at(url) as database:
        console = console_in(folder, House(made.model_copy(update={"console": changed}), database), clock)
        with database.write() as connection:
            users.add(connection, "test", clock.now(), MARIO, "dispatcher", full_name="Mario Gialli")
        yield console


@pytest.fixture
def company(tmp_path: Path, provider: tuple[Provider, Clock]) -> Iterator[Console]:
    """The console of a company with a provider, and a user who waits to come in by it."""
    folder = tmp_path / "company"
    folder.mkdir()
    yield from console_with(folder, *provider)


@pytest.fixture
def idp(provider: tuple[Provider, Clock]) -> Provider:
    return provider[0]


def begin(visitor: Visitor, wanted: str = "") -> str:
    """Press the button; where the page leads on to."""
    answer = visitor.client.post(
        "/login/oidc", data={"form-token": token(visitor), "next": wanted}, base_url=HERE
    )
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.get_data(as_text=True))
    assert found, answer.get_data(as_text=True)
    return html.unescape(found[1])


def through(address: str) -> str:
    """What the provider sends the browser back to, without its host."""
    answer = requests.get(address, allow_redirects=False, timeout=60)
    parts = urlsplit(answer.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{HERE}/login/oidc/back"
    return f"{parts.path}?{parts.query}"


def come_in(visitor: Visitor, wanted: str = "") -> TestResponse:
    return visitor.get(through(begin(visitor, wanted)))


def said(answer: TestResponse) -> str:
    found = re.search(r'role="alert">(.*?)<', answer.get_data(as_text=True), re.DOTALL)
    return html.unescape(found[1]) if found else ""


def subject_of(console: Console, name: str = MARIO) -> str | None:
    with console.house.database.read() as connection:
        return connection.execute(
            select(console_users.c.oidc_subject).where(console_users.c.name == name)
        ).scalar_one()


# -- the way -------------------------------------------------------------------------------------


def test_whoever_was_added_comes_in_by_his_company_and_is_known_from_then_on(
    company: Console, idp: Provider
) -> None:
    visitor = company.visitor(None)
    answer = come_in(visitor, "/account?x=1")
    assert answer.status_code == 200
    assert 'content="0;url=/account?x=1"' in answer.get_data(as_text=True)
    page = visitor.page("/account")
    assert "Mario Gialli" in page
    assert "accesso aziendale" in page
    assert subject_of(company) == f"{idp.issuer} user-1"
    idp.claims = {"email": "another@example.net", "email_verified": False}
    again = company.visitor(None)
    assert come_in(again).status_code == 200
    assert "Mario Gialli" in again.page("/account")
    with company.house.database.read() as connection:
        acts = [row.act for row in connection.execute(select(audit).order_by(audit.c.id))]
    assert acts[-3:] == ["user.provider", "user.login", "user.login"]


def test_what_is_asked_of_the_provider(company: Console, idp: Provider) -> None:
    come_in(company.visitor(None))
    asked = dict(idp.asked)
    there = asked["/authorize"]
    assert there["response_type"] == "code"
    assert there["code_challenge_method"] == "S256"
    assert len(there["state"]) == len(there["nonce"]) == 43
    assert "openid" in there["scope"].split()
    assert len(asked["/token"]["code_verifier"]) == 43
    assert SECRET not in str(idp.asked)


def test_the_button_is_there_only_with_a_provider(console: Console, company: Console) -> None:
    assert "/login/oidc" in company.visitor(None).page("/login")
    stranger = console.visitor(None)
    assert "/login/oidc" not in stranger.page("/login")
    assert stranger.get("/login/oidc/back?code=x&state=y").status_code == 404
    data = {"form-token": token(stranger)}
    assert stranger.client.post("/login/oidc", data=data, base_url=HERE).status_code == 404


def test_the_cookie_that_comes_back_from_another_site(company: Console) -> None:
    visitor = company.visitor(None)
    data = {"form-token": token(visitor)}
    answer = visitor.client.post("/login/oidc", data=data, base_url=HERE)
    (line,) = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("ivr-carried=")]
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", "max-age=600"} <= attributes
    back = visitor.get(
        through(re.findall(r'content="0;url=([^"]+)"', html.unescape(answer.get_data(True)))[0])
    )
    lines = back.headers.getlist("Set-Cookie")
    assert any(each.startswith("ivr-carried=;") and "Max-Age=0" in each for each in lines)
    assert any(each.startswith("ivr-session=") and "SameSite=Strict" in each for each in lines)


# -- who is let in -------------------------------------------------------------------------------


def test_nobody_becomes_a_user_by_it(company: Console, idp: Provider) -> None:
    idp.claims = {"email": "nobody@example.net"}
    with company.house.database.read() as connection:
        before = len(users.everybody(connection))
    answer = come_in(company.visitor(None))
    assert answer.status_code == 403
    assert "Nessun utente attende di entrare come nobody@example.net" in said(answer)
    with company.house.database.read() as connection:
        assert len(users.everybody(connection)) == before


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_is_not_verified_is_nobody_s(
    company: Console, idp: Provider, verified: object
) -> None:
    idp.claims = {"email_verified": verified}
    assert come_in(company.visitor(None)).status_code == 403
    assert subject_of(company) is None


def test_a_name_that_people_choose_themselves_counts_only_if_it_is_said_so(
    tmp_path: Path, provider: tuple[Provider, Clock]
) -> None:
    provider[0].claims = {"email": None, "preferred_username": MARIO}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, name, status in (("a", "email", 403), ("b", "preferred_username", 200)):
        for console in console_with(tmp_path / folder, *provider, oidc_name=name):
            assert come_in(console.visitor(None)).status_code == status


def test_whoever_has_a_password_is_not_taken_over(company: Console, idp: Provider) -> None:
    """Somebody who can call himself giulia at the provider is not Giulia here."""
    with company.house.database.write() as connection:
        connection.execute(
            console_users.update().where(console_users.c.name == MARIO).values(password="x", totp="x")
        )
    assert come_in(company.visitor(None)).status_code == 403
    assert subject_of(company) is None


def test_another_subject_of_the_same_name_is_another(company: Console, idp: Provider) -> None:
    come_in(company.visitor(None))
    idp.claims = {"sub": "user-2"}
    assert come_in(company.visitor(None)).status_code == 403


def test_a_removed_user_is_not_let_in_and_a_reset_one_starts_anew(company: Console, idp: Provider) -> None:
    come_in(company.visitor(None))
    with company.house.database.write() as connection:
        users.reset(connection, "test", company.clock.now(), MARIO)
    assert subject_of(company) is None
    assert come_in(company.visitor(None)).status_code == 200
    with company.house.database.write() as connection:
        users.remove(connection, "test", company.clock.now(), MARIO)
    assert come_in(company.visitor(None)).status_code == 403


def test_his_welcome_link_is_good_no_more(company: Console) -> None:
    with company.house.database.write() as connection:
        link = users.welcome(connection, company.clock.now(), users.find(connection, MARIO))
    assert company.visitor(None).get(f"/welcome/{link}").status_code == 200
    come_in(company.visitor(None))
    assert company.visitor(None).get(f"/welcome/{link}").status_code == 410
    with company.house.database.read() as connection:
        assert connection.execute(select(console_links)).all() == []


def test_he_has_no_password_here_to_guess_or_to_change(company: Console) -> None:
    visitor = company.visitor(None)
    come_in(visitor)
    for path in ("/account/password", "/account/factor", "/account/codes"):
        assert visitor.get(path).status_code == 404
        assert visitor.post(path, password="", code="").status_code == 404
    for _ in range(login.MOST_FAILURES + 1):
        stranger = company.visitor(None)
        data = {"form-token": token(stranger), "name": MARIO, "password": "", "code": "000000"}
        assert stranger.client.post("/login", data=data, base_url=HERE).status_code == 403
    assert come_in(company.visitor(None)).status_code == 200


# -- what may be wrong ---------------------------------------------------------------------------

WRONG_CLAIMS = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another client": {"aud": "another"},
    "many clients, none of them us": {"aud": ["a", "b"]},
    "for us, asked by another": {"aud": [CLIENT, "another"], "azp": "another"},
    "no audience": {"aud": None},
    "over": {"exp": 1},
    "no end": {"exp": None},
    "an end that is none": {"exp": "tomorrow"},
    "from the future": {"iat": 4102444800},
    "not yet": {"nbf": 4102444800},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "nobody": {"sub": None},
    "a subject that is none": {"sub": 7},
    "a subject without end": {"sub": "x" * 500},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
def test_a_wrong_claim_lets_nobody_in(company: Console, idp: Provider, claims: dict[str, object]) -> None:
    idp.claims = claims
    answer = come_in(company.visitor(None))
    assert answer.status_code == 503
    assert "ivr-session" not in str(answer.headers.getlist("Set-Cookie"))
    assert subject_of(company) is None


@pytest.mark.parametrize("wrong", ["another key", "signs nothing", "a file"])
def test_what_is_not_signed_by_its_key_lets_nobody_in(company: Console, idp: Provider, wrong: str) -> None:
    visitor = company.visitor(None)
    address = begin(visitor)
    idp.wrong = {wrong}
    assert visitor.get(through(address)).status_code == 503


@pytest.mark.parametrize("wrong", ["down", "another issuer", "sends elsewhere", "endless"])
def test_a_provider_that_cannot_be_used_is_said_and_the_password_stays(
    company: Console, idp: Provider, wrong: str
) -> None:
    idp.wrong = {wrong}
    visitor = company.visitor(None)
    answer = visitor.client.post("/login/oidc", data={"form-token": token(visitor)}, base_url=HERE)
    assert answer.status_code == 503
    assert "non risponde come dovrebbe" in said(answer)
    assert 'name="password"' in answer.get_data(as_text=True)


def test_whoever_is_refused_there_is_refused_here(company: Console, idp: Provider) -> None:
    idp.wrong = {"denies"}
    answer = come_in(company.visitor(None))
    assert answer.status_code == 403
    assert "non L'ha lasciata entrare" in said(answer)


def test_nobody_is_put_into_another_s_login(company: Console) -> None:
    """An attacker's code in a victim's browser: it has no ticket, or that of a login of its own."""
    attacker, victim = company.visitor(None), company.visitor(None)
    back = through(begin(attacker))
    assert victim.get(back).status_code == 403
    begin(victim)
    assert victim.get(back).status_code == 403
    assert victim.get("/account").status_code == 303


def test_a_code_is_good_once_and_for_ten_minutes(company: Console) -> None:
    visitor = company.visitor(None)
    back = through(begin(visitor))
    ticket = visitor.client.get_cookie("ivr-carried")
    assert ticket
    assert visitor.get(back).status_code == 200
    visitor.client.set_cookie("ivr-carried", ticket.value)
    assert visitor.get(back).status_code == 503  # the provider gives nothing for it a second time
    late = through(begin(visitor))
    company.clock.forward(minutes=10)
    assert visitor.get(late).status_code == 403


def test_a_ticket_of_another_kind_is_none(company: Console) -> None:
    """What is sealed for setting up an authenticator is no login."""
    visitor = company.visitor(None)
    other = login.factor_ticket(company.house, company.clock.now(), company.users["admin"], 1)
    for given in (other, "", "x", "é"):
        visitor.client.set_cookie("ivr-carried", given)
        assert visitor.get("/login/oidc/back?code=x&state=").status_code == 403


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 403),
        ({"amr": ["pwd"]}, 403),
        ({"amr": "mfa"}, 403),
        ({"acr": "1"}, 403),
        ({"amr": ["pwd", "mfa"]}, 200),
        ({"acr": "mfa"}, 200),
    ],
)
def test_that_a_second_factor_was_asked_for_can_be_demanded(
    tmp_path: Path, provider: tuple[Provider, Clock], claims: dict[str, object], status: int
) -> None:
    provider[0].claims = claims
    for console in console_with(tmp_path, *provider, oidc_factor="mfa"):
        visitor = console.visitor(None)
        address = begin(visitor)
        assert "acr_values=mfa" in address
        assert visitor.get(through(address)).status_code == status


@pytest.mark.parametrize("evil", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_led_elsewhere_afterwards(company: Console, evil: str) -> None:
    assert 'content="0;url=/"' in come_in(company.visitor(None), evil).get_data(as_text=True)


# -- in a browser --------------------------------------------------------------------------------


def test_in_a_real_browser_with_the_provider_on_another_site(
    company: Console, idp: Provider, chrome: Browser
) -> None:
    """The strict cookie is set by an answer to what another site began, and is there with the next page."""
    with shown(company, chrome) as before:
        page = before.open("/account", role=None)
        assert page.url.endswith("/login?next=/account")
        assert list(looked_at(page)) == []
        page.get_by_role("button", name="Entra con l'accesso aziendale").click()
        page.get_by_role("heading", name="Il Suo profilo").wait_for()
        assert page.get_by_role("banner").get_by_text("Mario Gialli").is_visible()
        cookies = {each["name"]: each for each in page.context.cookies()}
        assert cookies["ivr-session"]["sameSite"] == "Strict"
        assert "ivr-carried" not in cookies
        assert before.wrong == []


def test_in_a_real_browser_without_script(company: Console, chrome: Browser) -> None:
    with shown(company, chrome) as before:
        page = before.open("/login", role=None, script=False)
        page.get_by_role("button", name="Entra con l'accesso aziendale").click()
        page.get_by_text("Mario Gialli").first.wait_for()


def test_a_link_on_another_site_finds_whoever_is_in(screen: Screen, idp: Provider) -> None:
    """Without the page that leads on, a strict cookie would send him to the login."""
    page = screen.open("/account", "admin")
    page.goto(f"{idp.issuer}/keys")
    page.set_content(f'<a href="{screen.address}/account/password">in</a>')
    page.get_by_role("link").click()
    page.get_by_role("heading", name="Cambia la password").wait_for()
    screen.asked.clear()
    screen.wrong.clear()


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        {"oidc_issuer": '"http://login.example.net"', "oidc_client_id": '"x"'},
        {"oidc_issuer": '"ftp://login.example.net"', "oidc_client_id": '"x"'},
        {"oidc_issuer": '"https://u:p@login.example.net"', "oidc_client_id": '"x"'},
        {"oidc_issuer": '"https://login.example.net/?x=1"', "oidc_client_id": '"x"'},
        {"oidc_issuer": '"https://login.example.net"'},
        {"oidc_client_id": '"x"'},
        {"oidc_name": '"nickname"'},
    ],
)
def test_mistakes_are_named(tmp_path: Path, lines: dict[str, str]) -> None:
    path = tmp_path / "config.toml"
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), **lines), "utf-8")
    with pytest.raises(settings.ConfigurationRefused) as refused:
        settings.load(path, {})
    (mistake,) = refused.value.mistakes
    assert mistake.startswith("console")


def test_the_secret_comes_from_where_secrets_come_from(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    lines = {"oidc_issuer": '"https://login.example.net"', "oidc_client_id": '"x"'}
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), **lines), "utf-8")
    found = settings.load(path, {"IVR_CONSOLE_OIDC_CLIENT_SECRET": "s3cret"})
    assert found.console.oidc_client_secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(found)


def test_without_the_extra_the_setting_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "find_spec", lambda name: None)
    path = tmp_path / "config.toml"
    lines = {"oidc_issuer": '"https://login.example.net"', "oidc_client_id": '"x"'}
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), **lines), "utf-8")
    with pytest.raises(settings.ConfigurationRefused, match=r"after-hours-ivr\[oidc\]"):
        settings.load(path, {})
