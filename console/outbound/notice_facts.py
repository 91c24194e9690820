"""What a notice says to its recipient and by which ways it can reach him: the rota's side of it joined with
customers, calls and the configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from console.public.keys import link_secret
from console.settings import Configuration
from ivr import case_facts, journal
from oncall import people, phones
from oncall.cases import cases, links
from oncall.cases.cases import Case, UnknownCase
from oncall.notices import notice_texts, senders
from oncall.notices.channels import ChannelName, Channels
from oncall.notices.delivery import Route
from oncall.notices.notice_texts import Written
from oncall.notices.notices import Notice
from oncall.people import Technician, UnknownTechnician
from pins import customers

# A number that somebody can call; a withheld one comes as some word.
_NUMBER = re.compile(r"\+?[0-9]{5,15}|sip:[^\s]{1,100}")
# Facts that name a technician by his key, and what his name is called in the texts.
_PEOPLE = {
    "technician": "by",
    "by": "by",
    "who": "who",
    "next": "next",
    "swap_with": "swap_with",
    "proposer": "proposer",
    "counterpart": "counterpart",
}


@dataclass(frozen=True)
class Reader:
    """Who is told; `technician` is None for managers and admins."""

    technician: Technician | None
    language: str


def reader(connection: Connection, configuration: Configuration, recipient: str) -> Reader:
    """Raises UnknownTechnician."""
    kind, _, who = recipient.partition(":")
    first = configuration.service.languages[0]
    if kind != "technician":
        return Reader(None, first)
    person = people.technician(connection, who)
    return Reader(person, person.language or first)


def routes(notice: Notice, reader: Reader, channels: Channels) -> list[Route]:
    """The ways to him that are configured, in the order in which they are preferred.

    A call that reads it aloud comes last; but a loud notice reaches a landline first of all by that.
    """
    if reader.technician is None:
        found = [Route("mail", notice.recipient.partition(":")[2])]
    else:
        person = reader.technician
        mobile = next((phone for phone in person.phones if phones.is_mobile(phone)), None)
        aloud = Route("voice", mobile or person.phone)
        found = [Route("text", mobile)] if mobile else [aloud] if notice.loud else []
        found += [Route("mail", person.email)] if person.email else []
        found += [Route("service", name) for name in person.services]
        found += [] if aloud in found else [aloud]
    configured: dict[ChannelName, object | None] = {
        "text": channels.texts,
        "voice": channels.telephone,
        "mail": channels.mail,
        "service": channels.services,
    }
    return [route for route in found if configured[route.channel] is not None]


def sender(connection: Connection, configuration: Configuration, notice: Notice) -> str:
    """Who its text message comes from."""
    wanted = configuration.notices.text_sender
    if wanted != "called":
        return wanted
    sid = _call_of(connection, notice)
    try:
        called = journal.call(connection, sid).number if sid else ""
    except journal.UnknownCall:  # purged
        called = ""
    ours = configuration.our_numbers
    return called if called in ours else ours[0]


def written(
    connection: Connection, configuration: Configuration, notice: Notice, reader: Reader, at: datetime
) -> Written:
    """The notice as it is sent to him at `at`; asked again for the same instant, the same.

    Needs a writing transaction: a link may be made.
    """
    return notice_texts.written(
        notice.kind,
        _facts(connection, configuration, notice, reader, at),
        reader.language,
        configuration.zone,
        at,
        company=configuration.service.name,
        country=next(iter(configuration.ringing.countries), "IT"),
    )


def case_of(connection: Connection, notice: Notice) -> Case | None:
    kind, _, number = notice.about.partition(":")
    try:
        return cases.find(connection, number) if kind == "case" else None
    except UnknownCase:
        return None


# -- small parts -------------------------------------------------------------------------------


def _facts(
    connection: Connection, configuration: Configuration, notice: Notice, reader: Reader, at: datetime
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    case = case_of(connection, notice)
    if case is not None:
        facts = _of_case(connection, case)
        if case.closed_at is None:
            facts |= _ways_to_act(connection, configuration, notice, case, reader, at)
    elif sid := _call_of(connection, notice):
        facts = _of_call(connection, sid)
    facts |= {name: value for name, value in notice.facts.items() if value not in (None, "")}
    if notice.kind == "shift-confirm" and senders.invites_answers(configuration.notices.text_sender):
        facts["yes"] = "OK"
    if case is not None and case.call_back_to:
        facts["caller"] = case.call_back_to
    if not _NUMBER.fullmatch(str(facts.get("caller", ""))):
        facts.pop("caller", None)
    for name, called in _PEOPLE.items():
        if name in facts:
            facts[called] = _name(connection, str(facts[name]))
    if spoken := _spoken(configuration, str(facts.get("urgency", "")), reader.language):
        facts["urgency_spoken"] = spoken
    return facts


def _of_case(connection: Connection, case: Case) -> dict[str, Any]:
    known = case_facts.facts(connection, case)
    return {**known, "number": case.number, "screened": case.screened and case.customer_id is None}


def _ways_to_act(
    connection: Connection,
    configuration: Configuration,
    notice: Notice,
    case: Case,
    reader: Reader,
    at: datetime,
) -> dict[str, Any]:
    """What he can do about an open case: answer the message, open the link."""
    found: dict[str, Any] = {}
    key = reader.technician.key if reader.technician else None
    answered = senders.invites_answers(configuration.notices.text_sender)
    if key and answered:
        found["ok"] = f"OK {case.code}"
    service = configuration.service
    if service.public_url and service.keys:
        secret = link_secret(configuration)
        found["link"] = links.address(connection, at, service.public_url, secret, case.number, key)
        if key and not answered:
            found["here"] = found["link"]
    return found


def _of_call(connection: Connection, sid: str) -> dict[str, Any]:
    try:
        call = journal.call(connection, sid)
    except journal.UnknownCall:  # purged
        return {}
    name = customers.name_of(connection, call.customer_id) if call.customer_id else None
    return {"caller": call.caller, "customer": name, "screened": name is None}


def _call_of(connection: Connection, notice: Notice) -> str:
    kind, _, sid = notice.about.partition(":")
    if kind == "call":
        return sid
    case = case_of(connection, notice)
    return case.call_sid if case else ""


def _name(connection: Connection, key: str) -> str:
    try:
        return people.technician(connection, key).name
    except UnknownTechnician:
        return key


def _spoken(configuration: Configuration, code: str, language: str) -> str | None:
    try:
        return configuration.urgency.by_code(code).spoken.get(language)
    except StopIteration:
        return None
