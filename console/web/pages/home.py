"""The way in: everybody begins at the first area he may see."""

from __future__ import annotations

from flask import redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web.area import Area
from console.web.render import doors

area = Area("home")


@area.page("/", May.OWN)
def first() -> AnyResponse:
    seen = doors()
    return redirect(url_for(seen[0].endpoint if seen else "account.index"), 303)
