"""A technician's telephone and calendar: our numbers as a contact, a test call, his turns in his calendar."""

from __future__ import annotations

from flask import Response, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.house import rules
from console.outbound import contact_card
from console.web.context import SentBefore, at, house, reading, words, writing
from console.web.pages.duty.common import actor, area, own
from console.web.render import page, to
from ivr import phone_tests
from ivr.phone_tests import PhoneInUse
from oncall import people
from oncall.calendars import feeds

# Without these no call can be placed.
NEEDED = ("service.public_url", "service.keys", "twilio.account_sid", "twilio.auth_tokens")


@area.page("/duty/phone", May.DUTY)
def phone() -> str:
    return _page()


@area.page("/duty/phone/test", May.DUTY, post=True)
def test_call() -> AnyResponse | tuple[str, int]:
    """Call one of his phones now; he presses 1 if he hears us."""
    # Loads the doors of the calls, which no other page of his needs.
    from console.outbound import calling

    configuration = house().configuration
    if _missing():
        return _page(words()("duty.refused-no-calls")), 422
    try:
        with writing(once=True) as connection:
            person = people.technician(connection, own())
            wanted = request.form.get("phone", "")
            if wanted not in person.phones or person.left_by(at()):
                raise BadRequest
            language = person.language or configuration.service.languages[0]
            call = phone_tests.begin(connection, at(), rules(configuration), person, wanted, language)
            calling.later(connection, at(), call, person.rings or configuration.ringing.rings)
    except PhoneInUse:
        return _page(words()("duty.refused-phone-in-use")), 422
    except SentBefore:
        pass
    return to("duty.phone", "duty.test")


@area.page("/duty/contact.vcf", May.DUTY)
def contact() -> Response:
    card = contact_card.vcard(house().configuration, words().language)
    answer = Response(card, mimetype="text/vcard; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="contact.vcf"'
    return answer


@area.page("/duty/calendar", May.DUTY, post=True)
def new_calendar() -> str | tuple[str, int]:
    """A new secret address, shown on this one page and never again; the one before ends."""
    address = house().configuration.service.public_url
    if not address:
        return _page(words()("duty.refused-no-address")), 422
    with writing(once=True) as connection:
        token = feeds.issue(connection, actor(), at(), technician=own())
    return _page(shown=f"{address}/cal/{token}.ics")


@area.page("/duty/calendar/end", May.DUTY, post=True)
def end_calendar() -> AnyResponse:
    with writing() as connection:
        feeds.revoke(connection, actor(), at(), technician=own())
    return to("duty.phone", "duty.calendar-ended")


# -- small parts -------------------------------------------------------------------------------


def _missing() -> bool:
    return any(path in NEEDED for path in house().configuration.missing_for_calls())


def _page(refused: str = "", shown: str = "") -> str:
    with reading() as connection:
        person = people.technician(connection, own())
        tests = {each.phone: each for each in phone_tests.latest(connection) if each.technician == own()}
        since = feeds.issued_at(connection, own())
    return page(
        "duty/phone.html",
        person=person,
        tests=tests,
        since=since,
        shown=shown,
        may_call=not _missing(),
        address=bool(house().configuration.service.public_url),
        refused=refused,
    )
