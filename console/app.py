"""The console's own listener, apart from Twilio's door: pages for people who have logged in; below /api the
interface for programs that have a token.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from flask import Flask, Response

from console.api.app import create_api, mount
from console.house import Clock, House, system_clock
from console.web import jobs, pages
from console.web.area import Area
from console.web.context import KEY
from console.web.guard import guard
from console.web.render import furnish

# Bytes of a request: a spreadsheet of customers; and of one from whoever has not logged in.
LONGEST, LONGEST_OF_STRANGER = 4 * 1024 * 1024, 64 * 1024


def create_app(house: House, clock: Clock = system_clock) -> Flask:
    """The console of a house."""
    app = Flask(
        "console", static_folder="web/static", static_url_path="/static", template_folder="web/templates"
    )
    app.config["MAX_CONTENT_LENGTH"] = LONGEST
    app.extensions[KEY] = house
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    guard(app, house, clock, LONGEST_OF_STRANGER)
    furnish(app)
    # Each is console/web/pages/NAME.py, or a folder, with an `area`.
    for found in iter_modules(pages.__path__):
        area: Area = import_module(f"console.web.pages.{found.name}").area
        app.register_blueprint(area)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    # Only here: `ivr serve` loads this module for every part, and no other one tells metrics.
    from console.watching.page import metrics_page

    metrics_page(app, house)
    # Outermost: it looks at no session, cookie or form of the pages.
    mount(app, create_api(house, clock))
    return app


def serving_app(house: House, clock: Clock = system_clock) -> Flask:
    """The console with what does its long work beside it."""
    app = create_app(house, clock)
    jobs.Runner(house, clock).start()
    return app
