"""A path for each page whose address has places: for crawlers, the matrix of rights, the benchmark.

EXAMPLES[endpoint] is a function of the console that returns a path. It may prepare what the page is about, in
any house, also one with thousands of rows, and more than once in the same. Pages without places need none.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from making import a_call, a_sid
from visitors import Console

from console.house import state_folder
from console.tone import tone
from console.web import jobs
from ivr import journal
from ivr.vocabulary import Recording


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


EXAMPLES: dict[str, Callable[[Console], str]] = {
    "calls.show": lambda console: f"/calls/{called(console)}",
    "calls.sound": message,
    "calls.listened": lambda console: f"{message(console)}/heard",
    "users.show": lambda console: f"/users/{console.users['dispatcher'].id}",
    "audit.verified": lambda console: verified(console),
    "hours.day": lambda console: "/hours/day/2026-10-25",
    "rehearse.show": rehearsed,
    "rehearse.save": lambda console: f"{rehearsed(console)}/save",
    "hours.instant": lambda console: "/hours/instant?date=2026-12-25&time=03:00",
}

# Endpoints that are no page to look at: files, what is asked for by a page itself, links that are good once.
NO_PAGES = {
    "calls.sound",
    "tonight.now",
    "tonight.wrong",
    "static",
    "healthz",
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
