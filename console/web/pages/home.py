"""The way in: everybody begins at the first area he may see."""

from __future__ import annotations

from flask import redirect, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web.area import Area
from console.web.render import doors

area = Area("home")


@area.page("/", May.OWN)
def first() -> AnyResponse:
    seen = doors()
    if not seen:
        raise Forbidden
    return redirect(url_for(seen[0].endpoint), 303)
