"""The interface as an application of its own, which the console's door has below /api.

So none of what guards the pages is in its way, nor in its place: no session, no form token, no cookie.
"""

from __future__ import annotations

import logging
import re
from functools import partial

from flask import Flask, Response, g
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from console.api import problems
from console.api.document import document
from console.api.once import AnsweredBefore
from console.api.operation import Operation
from console.api.operations import all_operations
from console.api.problems import Problem, of_refusal
from console.api.rate import Rate
from console.api.serving import REPLAYED, told, view, who_asks
from console.house import Clock, House

log = logging.getLogger("ivr")

MOUNT, VERSION = "/api", "/v1"
# Bytes of a body: a customer with all his sites and notes.
LONGEST = 256 * 1024
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
# What a failure without a name of its own is called.
_KINDS = {400: "bad-request", 404: "not-found", 405: "method", 413: "too-large"}


def create_api(house: House, clock: Clock, rate: Rate | None = None) -> Flask:
    """The interface of a house."""
    app = Flask("console.api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST
    # An address is as it is: no way leads from one to another.
    app.url_map.merge_slashes = False
    app.before_request(partial(who_asks, house, clock, rate or Rate()))
    for operation in all_operations():
        _route(app, house, operation)
    own = document(all_operations())

    def read_document() -> Response:
        """For any token: it says nothing of this house."""
        return told(200, own)

    app.add_url_rule(
        f"{VERSION}/openapi.json",
        "read_document",
        read_document,
        methods=["GET"],
        provide_automatic_options=False,
    )
    _answers(app, secure=house.configuration.console.address.startswith("https://"))
    return app


def mount(app: Flask, api: Flask) -> None:
    """Put the interface before the pages, below MOUNT."""
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {MOUNT: api})  # type: ignore[method-assign]


def _route(app: Flask, house: House, operation: Operation) -> None:
    app.add_url_rule(
        VERSION + re.sub(r"{(\w+)}", r"<\1>", operation.path),
        operation.name,
        view(house, operation),
        methods=[operation.method],
        provide_automatic_options=False,
    )


def _answers(app: Flask, *, secure: bool) -> None:
    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        if secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    def say(problem: Problem) -> Response:
        response = told(problem.status, problem.body(), problems.MIMETYPE)
        response.headers.extend(problem.headers)
        return response

    app.register_error_handler(Problem, say)

    @app.errorhandler(AnsweredBefore)
    def again(before: AnsweredBefore) -> Response:
        response = told(before.status, before.answer)
        response.headers[REPLAYED] = "true"
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        code = error.code or 500
        problem = Problem(code, _KINDS.get(code, "refused"), error.description or "refused")
        if allowed := getattr(error, "valid_methods", None):
            problem.headers["Allow"] = ", ".join(sorted(allowed))
        return say(problem)

    @app.errorhandler(DataError)
    @app.errorhandler(OverflowError)
    def out_of_range(error: Exception) -> Response:
        log.warning("a program gave a value out of range: %s", type(error).__name__)
        return say(Problem(422, "out-of-range", "a value is out of reach"))

    @app.errorhandler(OperationalError)
    def database_away(error: OperationalError) -> Response:
        log.error("the interface cannot use the database: %s", type(error).__name__)
        return say(
            Problem(503, "database", "the database does not answer: try again", headers={"Retry-After": "5"})
        )

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        problem = of_refusal(error)
        if problem is None:
            log.error("the interface failed", exc_info=error)
            problem = Problem(500, "failed", "the service failed; its log says how")
        elif problem.status >= 500:
            log.error("the interface cannot do what %s asks: %s", g.token.name, type(error).__name__)
        return say(problem)
