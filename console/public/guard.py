"""What holds for every public page: its headers, and what it says of itself when something is wrong.

Nothing here ever writes an address into the log: its token is a key.
"""

from __future__ import annotations

import logging

from flask import Blueprint, Response, g, render_template, request
from werkzeug.exceptions import (
    Gone,
    HTTPException,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
)

from console.house import House
from console.public.wording import Words, preferred
from storage.engine import is_contended, is_gone

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; media-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def guarded(blueprint: Blueprint, house: House, cache: str = "no-store") -> Blueprint:
    """The blueprint with headers and error pages. `cache` is what may be done with a page that was found."""

    @blueprint.after_request
    def headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers["Cache-Control"] = cache if response.status_code in (200, 304) else "no-store"
        return response

    @blueprint.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[str, int]:
        status = error.code or 500
        return error_page(asked_in(house), _name(error)), status

    @blueprint.errorhandler(Exception)
    def failed(error: Exception) -> tuple[str, int]:
        if is_gone(error) or is_contended(error):
            log.error("%s: the database is away (%s)", request.endpoint, type(error).__name__)
            return error_page(asked_in(house), "failed"), 503
        log.error("%s failed", request.endpoint, exc_info=error)
        return error_page(asked_in(house), "failed"), 500

    return blueprint


def asked_in(house: House) -> Words:
    """The words of the page under way, if it is known whose it is; else those his browser asks for."""
    known: Words | None = g.get("words")
    if known is not None:
        return known
    languages = house.configuration.service.languages
    return preferred(request.accept_languages.best_match(languages), languages)


def error_page(words: Words, name: str, text: str = "") -> str:
    """A page that says what is wrong, and nothing else."""
    said = text or words.errors[name]
    return render_template("public/error.html", words=words, title=words.errors[f"{name}-title"], said=said)


def _name(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return "not-found"
    if isinstance(error, ServiceUnavailable):
        return "failed"
    if isinstance(error, Gone):
        return "closed"
    if isinstance(error, RequestEntityTooLarge):
        return "large"
    return "bad"
