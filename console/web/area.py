"""An area of the console: a blueprint whose pages each name the right they need. One that names none cannot
be written, and one that is written another way is refused to everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint

from console.access.roles import May

View = TypeVar("View", bound=Callable[..., Any])
# By endpoint, "area.view"; None: open to whoever has not logged in.
_RIGHTS: dict[str, May | None] = {}
# Endpoints that a page asks for by itself: they do not keep a session alive.
_POLLED: set[str] = set()


class Area(Blueprint):
    """`area = Area("cases")`, then `@area.page("/cases", May.SEE)`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"console.web.pages.{name}")

    def page(
        self, rule: str, may: May | None, *, post: bool = False, polled: bool = False
    ) -> Callable[[View], View]:
        """A page for whoever has the right `may`; None: for everybody. GET, or POST alone.

        `polled` is for a piece of a page that the page itself asks for now and then: nobody need sit there.
        """

        def keep(view: View) -> View:
            endpoint = f"{self.name}.{view.__name__}"
            _RIGHTS[endpoint] = may
            if polled:
                _POLLED.add(endpoint)
            self.add_url_rule(rule, view.__name__, view, methods=["POST"] if post else ["GET"])
            return view

        return keep


def right_of(endpoint: str) -> May | None:
    """What it needs; None: nothing. Raises KeyError for an endpoint that never said so."""
    return _RIGHTS[endpoint]


def is_polled(endpoint: str) -> bool:
    return endpoint in _POLLED
