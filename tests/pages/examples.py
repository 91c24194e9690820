"""A path for each page whose address has places: for crawlers, the matrix of rights, the benchmark.

EXAMPLES[endpoint] is a function of the console that returns a path. It may prepare what the page is about, in
any house, also one with thousands of rows, and more than once in the same. Pages without places need none.
"""

from __future__ import annotations

from collections.abc import Callable

from visitors import Console

from console.web import jobs


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


EXAMPLES: dict[str, Callable[[Console], str]] = {
    "users.show": lambda console: f"/users/{console.users['dispatcher'].id}",
    "audit.verified": lambda console: verified(console),
    "hours.day": lambda console: "/hours/day/2026-10-25",
    "rehearse.show": rehearsed,
    "rehearse.save": lambda console: f"{rehearsed(console)}/save",
    "hours.instant": lambda console: "/hours/instant?date=2026-12-25&time=03:00",
}

# Endpoints that are no page to look at: files, what is asked for by a page itself, links that are good once.
NO_PAGES = {"static", "healthz", "login.enter", "login.welcome", "rehearse.moment", "rehearse.customers"}


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
