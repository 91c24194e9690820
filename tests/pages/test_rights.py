"""Who may open what: every rule of the application, as somebody of every role and as a stranger, held against
the table of rights. Nothing is listed here: what is routed is asked for.
"""

from __future__ import annotations

import sys

import pytest
from crawling import NOT_OURS, Door, ask, doors, is_login, may, methods
from examples import NO_PAGES, path_of
from making import ROOT
from nights import night
from visitors import ROLES, Console

from console.access.roles import RIGHTS, May, Role
from console.web.area import right_of

sys.path.insert(0, str(ROOT / "docs"))
import roles as roles_paper


def test_every_page_names_its_right(console: Console) -> None:
    nameless = []
    for door in doors(console):
        try:
            right_of(door.endpoint)
        except KeyError:
            nameless.append(door.endpoint)
    assert nameless == []


def test_only_these_are_open_to_strangers(console: Console) -> None:
    """Whoever opens one more to everybody says so here."""
    assert {door.endpoint for door in doors(console) if right_of(door.endpoint) is None} == {
        "login.form",
        "login.log_in",
        "login.welcome",
        "login.set_up",
        "login.enter",
        "oidc.begin",
        "oidc.back",
    }


def test_a_page_is_got_or_posted_and_never_both(console: Console) -> None:
    for rule in console.app.url_map.iter_rules():
        assert methods(rule) in ({"GET"}, {"POST"}), rule.rule


def test_every_page_with_places_has_an_example(console: Console) -> None:
    night(console)
    missing = []
    for door in doors(console, post=False):
        try:
            if door.endpoint not in NO_PAGES:
                path_of(console, door.endpoint)
        except KeyError as error:
            missing.append(str(error))
    assert missing == [], "add them to EXAMPLES in tests/pages/examples.py"


@pytest.mark.parametrize("role", [*ROLES, None])
def test_everybody_is_let_in_where_his_role_says_so_and_nowhere_else(
    console: Console, role: str | None
) -> None:
    """The places of acts lead to nothing, those of pages to something there is."""
    night(console)
    wrong = []
    for door in doors(console):
        path = _path(console, door)
        answer = ask(console, door, role, path)
        expected = may(door.endpoint, role)
        refused = is_login(answer) if role is None else answer.status_code == 403
        # The login says 403 of a name it does not know.
        if door.endpoint == "login.log_in":
            refused = False
        if refused == expected or answer.status_code >= 500:
            wrong.append((door.rule, door.endpoint, answer.status_code))
        elif not expected:
            shown = answer.get_data(as_text=True)
            assert "<main" not in shown or len(shown) < 8000, f"{path} shows too much to be a refusal"
    assert wrong == []


def _path(console: Console, door: Door) -> str:
    if door.post or door.endpoint in NO_PAGES or "<" not in door.rule:
        return door.nowhere
    try:
        return path_of(console, door.endpoint)
    except KeyError:
        return door.nowhere  # the test above names it


def test_what_names_no_right_is_refused_to_everybody(console: Console) -> None:
    console.app.add_url_rule("/naked", "naked", lambda: "secret")
    for role in (*ROLES, None):
        answer = console.visitor(role).get("/naked")
        assert answer.status_code == 403, role
        assert "secret" not in answer.get_data(as_text=True)


def test_nothing_else_is_routed(console: Console) -> None:
    """Flask's own files and the sign of life are all that stands outside the areas."""
    built = set(console.app.blueprints)
    for rule in console.app.url_map.iter_rules():
        assert rule.endpoint in NOT_OURS or rule.endpoint.partition(".")[0] in built


def test_an_admin_has_every_right_and_a_technician_his_own_only() -> None:
    assert set(RIGHTS) == set(Role)
    assert RIGHTS[Role.ADMIN] == frozenset(May)
    assert RIGHTS[Role.TECHNICIAN] == {May.OWN, May.DUTY}
    assert not RIGHTS[Role.READER] & {
        May.HEAR, May.EXPORT, May.WORK_CASES, May.CHANGE_CUSTOMERS, May.ISSUE_PINS, May.REVOKE_PINS,
        May.PLAN, May.REHEARSE, May.USERS,
    }  # fmt: skip


def test_the_paper_says_what_holds(console: Console) -> None:
    assert roles_paper.table(console.app) in (ROOT / "docs" / "roles.md").read_text(encoding="utf-8"), (
        "run `python docs/roles.py`"
    )
