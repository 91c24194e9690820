"""Which program may do what: every route of the interface, with a token of each scope, held against the table
of operations. Nothing is listed here: what is routed is asked for.

The tests of the console's pages walk the routes of the pages. The interface is an application of its own
below /api, with another way in: a token instead of session and form token. So it is walked here.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from programs import BASE, Program, add_token, nowhere, patient, program
from sqlalchemy import select, update
from visitors import Console
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from console.access import tokens
from console.access.scopes import Scope
from console.access.tokens import TokenRefused
from console.api.operation import Area, Operation
from console.api.operations import all_operations
from console.api.rate import AT_ONCE, Rate
from console.tables import api_tokens
from storage.tables import metadata

OPERATIONS = all_operations()
DOCUMENT = "/openapi.json"


def content(console: Console) -> dict[str, list[str]]:
    with console.house.database.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
        }


def ask(who: Program, operation: Operation, **more: object) -> int:
    body = {} if operation.body is not None else None
    return who.ask(operation.method, nowhere(operation), body, **more).status_code  # type: ignore[arg-type]


def test_the_interface_is_all_that_stands_before_the_pages(console: Console) -> None:
    assert isinstance(console.app.wsgi_app, DispatcherMiddleware)
    assert set(console.app.wsgi_app.mounts) == {"/api"}
    assert not [rule for rule in console.app.url_map.iter_rules() if rule.rule.startswith("/api")]


def test_every_route_is_an_operation_with_a_scope(console: Console) -> None:
    routes = {
        (next(iter((rule.methods or set()) - {"HEAD"})), rule.endpoint)
        for rule in console.app.wsgi_app.mounts["/api"].url_map.iter_rules()  # type: ignore[attr-defined]
    }
    known = {(operation.method, operation.name) for operation in OPERATIONS}
    assert routes == known | {("GET", "read_document")}
    assert len(known) == len(OPERATIONS)
    assert {operation.scope for operation in OPERATIONS} == set(Scope)


def test_an_operation_without_a_scope_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        Area("x", "").get("/x")  # type: ignore[call-arg]


def test_a_scope_opens_its_operations_and_no_other(console: Console) -> None:
    patient(console)
    wrong = []
    for scope in Scope:
        who = program(console, scope, name=scope.replace(":", "-"))
        for operation in OPERATIONS:
            answered = ask(who, operation)
            assert answered != 401
            if (answered == 403) == (operation.scope is scope):
                wrong.append((scope, operation.name, answered))
        assert who.ask("GET", DOCUMENT).status_code == 200
    assert wrong == []


def test_all_other_scopes_together_do_not_open_it(console: Console) -> None:
    patient(console)
    for scope in Scope:
        who = program(console, *(set(Scope) - {scope}), name=f"not-{scope.replace(':', '-')}")
        for operation in OPERATIONS:
            if operation.scope is scope:
                assert ask(who, operation) == 403, operation.name


def test_a_token_that_is_not_good_opens_nothing(console: Console) -> None:
    today = console.clock.now().date()
    good, revoked = add_token(console, "good"), add_token(console, "revoked")
    expired = add_token(console, "expired", expires=today)
    with console.house.database.write() as connection:
        tokens.revoke(connection, "test", console.clock.now(), "revoked")
    assert Program(console, expired).ask("GET", DOCUMENT).status_code == 200
    console.clock.forward(hours=3)  # past midnight
    before = content(console)
    ways = {
        "nothing": {},
        "revoked": {"Authorization": f"Bearer {revoked}"},
        "expired": {"Authorization": f"Bearer {expired}"},
        "one sign more": {"Authorization": f"Bearer {good}x"},
        "one sign other": {"Authorization": f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}"},
        "its name": {"Authorization": "Bearer good"},
        "another kind": {"Authorization": f"Basic {good}"},
        "no kind": {"Authorization": good},
        "another header": {"X-Api-Key": good, "Cookie": f"token={good}"},
    }
    for name, headers in ways.items():
        for operation in OPERATIONS:
            path = f"{BASE}{nowhere(operation)}?token={good}&access_token={good}"
            answer = console.app.test_client().open(path, method=operation.method, headers=headers)
            assert answer.status_code == 401, (name, operation.name)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    # It is not told what there is.
    assert console.app.test_client().get(f"{BASE}/nothing").status_code == 401
    assert console.app.test_client().delete(f"{BASE}/customers").status_code == 401
    assert content(console) == before


def test_a_revoked_token_ends_at_once_and_its_name_is_not_given_again(console: Console) -> None:
    who = program(console)
    who.got("/customers")
    with console.house.database.write() as connection:
        tokens.revoke(connection, "test", console.clock.now(), "psa")
        with pytest.raises(TokenRefused):
            tokens.revoke(connection, "test", console.clock.now(), "psa")
    who.refused("GET", "/customers", None, 401)
    with pytest.raises(TokenRefused):
        add_token(console, "psa")


def test_cookies_and_form_tokens_open_nothing_here_and_a_token_no_page(console: Console) -> None:
    admin = console.visitor("admin")
    token = admin.token("/nothing")
    for operation in OPERATIONS:
        answer = admin.client.open(
            BASE + nowhere(operation),
            method=operation.method,
            headers={"X-Form-Token": token},
            base_url="http://localhost:8081",
        )
        assert answer.status_code == 401, operation.name
    answer = program(console).ask("GET", "/customers")
    assert "Set-Cookie" not in answer.headers
    for path in ("/customers", "/users", "/account"):
        page = console.app.test_client().get(
            path, headers={"Authorization": f"Bearer {add_token(console, path[1:])}"},
            base_url="http://localhost:8081",
        )  # fmt: skip
        assert page.status_code == 303


def test_a_script_of_another_site_reads_nothing(console: Console) -> None:
    who = program(console)
    who.headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = who.ask("OPTIONS", "/customers", headers={"Access-Control-Request-Method": "POST"})
    assert answer.status_code == 405
    for got in (answer, who.ask("GET", "/customers"), who.ask("GET", "/nothing")):
        assert not [name for name, _ in got.headers if name.startswith("Access-Control")]


def test_every_answer_carries_its_headers(console: Console) -> None:
    who = program(console)
    for answer in (
        who.ask("GET", "/customers"),
        who.ask("GET", "/nothing"),
        who.ask("POST", "/customers", {}),
        Program(console, "x").ask("GET", "/customers"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.mimetype in ("application/json", "application/problem+json")


# -- how a token is kept -------------------------------------------------------------------------


def test_a_token_is_kept_as_a_keyed_hash(console: Console) -> None:
    token = add_token(console)
    everywhere = repr(content(console))
    assert token not in everywhere
    assert token[4:] not in everywhere
    with console.house.database.read() as connection:
        (kept,) = connection.execute(select(api_tokens.c.digest)).scalars()
    import hashlib

    assert kept != hashlib.sha256(token.encode()).hexdigest()


def test_its_use_is_noted_to_the_day(console: Console) -> None:
    who = program(console)

    def last_used() -> str:
        with console.house.database.read() as connection:
            return str(tokens.by_name(connection, "psa").last_used)

    assert last_used() == "None"
    who.got("/customers")
    assert last_used() == "2026-03-10"
    before = content(console)
    who.got("/customers")
    assert content(console) == before
    console.clock.forward(hours=3)
    who.got("/customers")
    assert last_used() == "2026-03-11"


def test_a_scope_that_this_release_does_not_know_is_none(console: Console) -> None:
    who = program(console, "customers:read")
    with console.house.database.write() as connection:
        connection.execute(update(api_tokens).values(scopes=["all:everything", "rota:read"]))
    who.refused("GET", "/customers", None, 403)
    who.got("/rotas")


# -- how often -----------------------------------------------------------------------------------


def test_a_program_that_asks_too_often_waits_and_no_other(console: Console) -> None:
    wild, calm = program(console, name="wild"), program(console, name="calm")
    for _ in range(AT_ONCE):
        assert wild.ask("GET", "/rotas").status_code == 200
    answer = wild.ask("GET", "/rotas")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    calm.got("/rotas")
    console.clock.forward(seconds=1)
    wild.got("/rotas")
    wild.got("/rotas")
    wild.refused("GET", "/rotas", None, 429)


def test_in_the_long_run_it_is_so_many_a_minute(console: Console) -> None:
    rate, at = Rate(at_once=3, a_minute=6), console.clock.now()
    let_in = [second for second in range(600) if rate.wait(at + timedelta(seconds=second), 1) == 0]
    assert len(let_in) == 3 + 59
    assert rate.wait(at - timedelta(hours=1), 1) > 0  # a clock that was set back gives nothing away


# -- seen by admins ------------------------------------------------------------------------------


def test_an_admin_sees_tokens_and_revokes_them(console: Console) -> None:
    who = program(console, "rota:read", name="terraform")
    token = who.token
    who.got("/rotas")
    admin = console.visitor("admin")
    page = admin.page("/users/tokens")
    assert "terraform" in page
    assert "rota:read" in page
    assert token not in page
    found = admin.done("/users/tokens/1/revoke")
    assert "Il token è stato revocato." in found
    who.refused("GET", "/rotas", None, 401)
    assert admin.post("/users/tokens/1/revoke").status_code == 303
    assert admin.post("/users/tokens/999/revoke").status_code == 404
