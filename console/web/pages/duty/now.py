"""Where a technician begins: whether he is on duty, what waits for him, whether he can be reached."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web.context import at, reading, writing
from console.web.pages.duty.common import area, own
from console.web.render import page, to
from console.web.shown import duty as shown
from oncall.reaching import reached, shift_checks


@area.page("/duty", May.DUTY)
def mine() -> str:
    return first_page()


@area.page("/duty/now", May.DUTY, polled=True)
def pulse_now() -> str:
    with reading() as connection:
        return page("duty/now.html", it=shown.now(connection, at(), own()))


@area.page("/duty/check", May.DUTY, post=True)
def check() -> AnyResponse:
    """He can be reached in a turn that is to begin, or he cannot."""
    said, number = request.form.get("said", ""), request.form.get("check", "")
    if said not in ("can", "cannot") or not (number.isascii() and number.isdigit() and len(number) < 10):
        raise BadRequest
    with writing() as connection:
        known = {each.id for each in shift_checks.coming(connection, at(), own())}
        if int(number) not in known:
            raise NotFound
        (reached.can if said == "can" else reached.cannot)(connection, at(), int(number))
    return to("duty.mine", f"duty.{said}")


def first_page(refused: str = "") -> str:
    """The first page; `refused` is why something was not done that led back to it."""
    with reading() as connection:
        it = shown.now(connection, at(), own())
    return page("duty/mine.html", it=it, refused=refused)
