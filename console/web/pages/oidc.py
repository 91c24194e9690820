"""Coming in by the company's identity provider.

Two things that browsers do decide the shape. A form's answer may not redirect to another site under
form-action 'self', and a link would let any site begin a login: so a form of ours begins it, and its answer
is a page that leads on. And the way back comes from another site, so that no SameSite=Strict cookie comes
along: what is needed there travels in a cookie of its own, SameSite=Lax, sealed and good for ten minutes; and
the session that begins there is first used by what the next page of ours asks for.
"""

from __future__ import annotations

from flask import g, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access import oidc
from console.access.oidc import ProviderRefused
from console.web.area import Area
from console.web.context import at, house, words
from console.web.guard import led_on, local_path, own_address
from console.web.pages.login import begin_session, login_page

area = Area("oidc")
Answer = AnyResponse | tuple[str, int]


@area.page("/login/oidc", None, post=True)
def begin() -> Answer:
    _configured()
    try:
        begun = oidc.begin(house(), at(), _back(), local_path(request.form.get("next")))
    except ProviderRefused as refused:
        return _refused(refused)
    response = led_on(begun.address)
    g.cookies.carry(response, begun.ticket, oidc.LASTS)
    return response


@area.page("/login/oidc/back", None)
def back() -> Answer:
    """Begins a session, though it is got: nobody but the browser that began this login has its ticket."""
    _configured()
    try:
        who, onward = oidc.finish(
            house(), at(), _back(), request.cookies.get(g.cookies.carried, ""), request.args
        )
    except ProviderRefused as refused:
        return _refused(refused)
    response = begin_session(who, led_on(local_path(onward)))
    g.cookies.carry(response, "", None)
    return response


def _configured() -> None:
    if not house().configuration.console.oidc_issuer:
        raise NotFound


def _back() -> str:
    """The address at the provider's: it has to know it beforehand."""
    return f"{own_address()}/login/oidc/back"


def _refused(refused: ProviderRefused) -> tuple[str, int]:
    key = f"oidc.refused-{refused.why}" + ("-name" if refused.name else "")
    shown = login_page(refused=words()(key, name=refused.name))
    return shown, 503 if refused.why in ("away", "busy") else 403
