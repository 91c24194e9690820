"""Work that brings notices: each by its channels until it has arrived.

Before a provider is asked, the try is committed. After a crash, or an answer that was lost, the provider is
asked about the message before it is sent again: a text message is doubled only if it cannot say.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from console.house import House, rules
from console.outbound import calling, notice_facts
from console.outbound.notice_facts import Reader
from console.processes.doors import sealing
from ivr import outgoing_desk, placed, toll
from ivr.standby import luggage
from ivr.tables import outgoing
from oncall.cases import cases
from oncall.notices import delivery, notices
from oncall.notices.channels import ChannelFailed, ChannelName, TextOut
from oncall.notices.delivery import ASK_AGAIN, ASKED_FOR, NEVER_SENT, Plan, Route
from oncall.notices.notice_texts import Written
from oncall.notices.notices import LeaseLost, Notice, Send
from oncall.people import UnknownTechnician
from storage.alarms import raise_alarm
from storage.due import Work
from webhooks.addresses import PublicAddresses

log = logging.getLogger("ivr.notices")

# A provider that did not answer is left alone for so long; one that says how long is obeyed.
REST = timedelta(seconds=10)
# Seconds after which a piece of work asks nobody else and goes back into the queue. With the slowest channel
# on top, `console.work.AT_ONCE` of them end before their lease does.
BUDGET = 3.0
UNDELIVERED = "notice-not-delivered"
# Why a text message was not sent, where the cap on them is reached.
CAPPED = "daily cap"

_resting: dict[tuple[str, ChannelName], datetime] = {}


def bring(house: House, work: Work, at: datetime) -> datetime | None:
    """Bring a notice: everything that is to be done about it now. Returns when to look again."""
    ends = time.monotonic() + BUDGET
    done: set[int | Route] = set()
    while True:
        with house.database.write() as connection:
            notice = notices.find(connection, int(work.key))
            if notice is None or notice.settled_at is not None:
                return None
            found = _looked_at(house, connection, notice, at)
        if found is None:
            return None
        reader, plan = found
        asks = [send for send in plan.ask if send.id not in done]
        begins = [route for route in plan.begin if route not in done]
        if not asks and not begins:
            # What was begun and is to be begun again: its provider rests, or another brings the same.
            assert plan.due is not None
            return min(plan.due, at + ASK_AGAIN) if plan.begin else plan.due
        if time.monotonic() > ends:
            return at
        try:
            if asks:
                done.add(asks[0].id)
                _ask(house, notice, reader, asks[0], at)
            else:
                done.add(begins[0])
                _begin(house, work, notice, reader, begins[0], at)
        except LeaseLost:
            return at  # whoever has it now decides


def _looked_at(
    house: House, connection: Connection, notice: Notice, at: datetime
) -> tuple[Reader, Plan] | None:
    """Who is told, and what is to be done now; None if it is settled herewith."""
    settings = house.configuration.notices
    sends = notices.sends_of(connection, notice.id)
    if notices.pointless(connection, notice):
        notices.settle(connection, at, notice.id, notices.needless(sends))
        return None
    try:
        reader = notice_facts.reader(connection, house.configuration, notice.recipient)
    except UnknownTechnician:
        reader = None
    # One whose first day is still to come is told of it.
    if reader is None or (reader.technician is not None and reader.technician.left_by(at)):
        log.warning("notice %d (%s): %s has left", notice.id, notice.kind, notice.recipient)
        notices.settle(connection, at, notice.id, "needless")
        return None
    routes = notice_facts.routes(notice, reader, house.channels)
    quiet = delivery.quiet_until(at, settings.quiet, house.configuration.zone)
    if notice.kind in notices.AT_ONCE:
        routes, quiet = [route for route in routes if route.channel != "voice"], None
        if not routes:
            notices.settle(connection, at, notice.id, "needless")
            return None
    receipt_within = timedelta(seconds=settings.receipt_within)
    plan = delivery.plan(notice, routes, sends, at, receipt_within, quiet)
    if plan.undelivered:
        _alarm(connection, at, notice, sends)
    if plan.outcome is None:
        return reader, plan
    if notices.settle(connection, at, notice.id, plan.outcome) and plan.outcome == "failed":
        log.error(
            "notice %d (%s, %s) was not delivered: %s", notice.id, notice.kind, notice.about, _why(sends)
        )
    return None


def _alarm(connection: Connection, at: datetime, notice: Notice, sends: list[Send]) -> None:
    """The admins hear that nothing brought it."""
    who = notice.recipient.partition(":")
    told = {
        "kind": notice.kind,
        "recipient": who[2] if who[0] == "technician" else who[0],
        "concerns": notice.about,
        "why": _why(sends),
    }
    if raise_alarm(connection, at, UNDELIVERED, f"notice:{notice.id}", told):
        log.error(
            "notice %d (%s, %s) cannot be delivered: %s", notice.id, notice.kind, notice.about, told["why"]
        )


def _why(sends: list[Send]) -> str:
    why = [f"{send.channel}: {send.why or send.state}" for send in sends]
    return ", ".join(dict.fromkeys(why)) or "no channel reaches the recipient"


# -- one try -------------------------------------------------------------------------------------


def _begin(house: House, work: Work, notice: Notice, reader: Reader, route: Route, at: datetime) -> None:
    """Write the try down, then ask the provider."""
    if _rests(house, route.channel, at):
        return
    outgoing_id = None
    with house.database.write() as connection:
        if route.channel == "voice":
            cases.lock(connection)
            if route.address in placed.engaged(connection, at, ""):
                return
        send_id = notices.begin(connection, at, work, notice, route.channel, route.address)
        if send_id is None:
            return
        if route.channel == "text" and not _may_text(house, connection, at, notice):
            log.error("notice %d: no text message is sent: the daily cap is reached", notice.id)
            notices.failed(connection, at, send_id, CAPPED, for_good=True)
            return
        said = notice_facts.written(connection, house.configuration, notice, reader, at)
        sender = notice_facts.sender(connection, house.configuration, notice)
        if route.channel == "voice":
            assert reader.technician is not None
            outgoing_id = outgoing_desk.begin(
                connection,
                at,
                rules(house.configuration),
                purpose="notice",
                technician=reader.technician.key,
                phone=route.address,
                language=reader.language,
                number=sender,
                case=notice_facts.case_of(connection, notice),
                notice_send_id=send_id,
                text=said.voice,
            )
    if outgoing_id is not None:
        # What becomes of it is settled by its keys and its end.
        calling.ring_out(house, at, outgoing_id, _rings(house, reader))
        return
    try:
        sid = _provider(house, notice, route, said, sender, send_id, at)()
    except ChannelFailed as failed:
        log.warning("notice %d by %s: %s", notice.id, route.channel, failed.why)
        _let_rest(house, route.channel, failed, at)
        if failed.maybe_done and route.channel == "text":
            return  # asked about later
        with house.database.write() as connection:
            notices.failed(connection, at, send_id, failed.why, for_good=failed.for_good)
        return
    with house.database.write() as connection:
        notices.sent(connection, at, send_id, sid)


def _may_text(house: House, connection: Connection, at: datetime, notice: Notice) -> bool:
    about_case = notice.about.startswith("case:")
    return toll.may_text(connection, at, house.configuration.toll, about_case=about_case)


def _provider(
    house: House, notice: Notice, route: Route, said: Written, sender: str, send_id: int, at: datetime
) -> Callable[[], str | None]:
    """What brings it by this route."""
    channels = house.channels
    if route.channel == "text":
        texts, out = channels.texts, _text_out(house, route.address, sender, said, send_id, at)
        assert texts is not None
        return lambda: texts.send(out)
    if route.channel == "mail":
        mail, identity = channels.mail, f"notice-{notice.id}-{int(notice.created_at.timestamp())}"
        assert mail is not None
        return lambda: mail.send(route.address, said.subject, said.body, identity, at)
    services = channels.services
    assert services is not None
    return lambda: services.send(route.address, said.subject, said.text)


def _text_out(house: House, to: str, sender: str, said: Written, send_id: int, tried_at: datetime) -> TextOut:
    seal = sealing(house.configuration)
    addresses = PublicAddresses(house.configuration.service.public_url)
    contents = luggage.of_text(send_id, house.database.home)
    return TextOut(
        to,
        sender,
        said.text,
        addresses.text_status(seal.close(contents, tried_at)),
    )


def _ask(house: House, notice: Notice, reader: Reader, send: Send, at: datetime) -> None:
    """Find out what became of a try."""
    if send.channel == "voice":
        with house.database.read() as connection:
            placed_for = select(outgoing.c.id).where(outgoing.c.notice_send_id == send.id)
            call = connection.execute(placed_for).scalar()
        if call is not None:
            calling.ask_about(house, at, call, _rings(house, reader))
    elif send.channel != "text":
        # Whoever tried it has died; nobody can be asked, and its name is the same the next time.
        with house.database.write() as connection:
            notices.failed(connection, at, send.id, "interrupted")
    elif send.state == "trying":
        _find(house, notice, reader, send, at)
    elif send.sid is not None:
        texts = house.channels.texts
        assert texts is not None
        try:
            status = texts.status(send.sid)
        except ChannelFailed as failed:
            log.warning("notice %d: the text message cannot be asked about: %s", notice.id, failed.why)
            return
        if status is not None:
            with house.database.write() as connection:
                notices.receipt(connection, at, send.id, send.sid, status)


def _find(house: House, notice: Notice, reader: Reader, send: Send, at: datetime) -> None:
    """A text message of which nobody knows whether it was sent: the provider's word, or, after a while, that
    it was not.
    """
    texts = house.channels.texts
    assert texts is not None
    with house.database.write() as connection:
        said = notice_facts.written(connection, house.configuration, notice, reader, send.tried_at)
        sender = notice_facts.sender(connection, house.configuration, notice)
    out = _text_out(house, send.address, sender, said, send.id, send.tried_at)
    try:
        sid = texts.find(out, send.tried_at)
    except ChannelFailed as failed:
        log.warning("notice %d: the text message cannot be looked for: %s", notice.id, failed.why)
        if at < send.tried_at + ASKED_FOR:
            return
        # Loud is sent again, though it may be heard twice; the other takes another channel.
        with house.database.write() as connection:
            notices.failed(connection, at, send.id, "unknown", for_good=not notice.loud)
        return
    with house.database.write() as connection:
        if sid is None or notices.is_anothers(connection, send.id, sid):
            notices.failed(connection, at, send.id, NEVER_SENT)
        else:
            notices.sent(connection, at, send.id, sid)


def _rings(house: House, reader: Reader) -> int:
    own = reader.technician.rings if reader.technician else None
    return own or house.configuration.ringing.rings


def _rests(house: House, channel: ChannelName, at: datetime) -> bool:
    until = _resting.get((str(house.configuration.folder), channel))
    return until is not None and at < until


def _let_rest(house: House, channel: ChannelName, failed: ChannelFailed, at: datetime) -> None:
    """A provider that is overrun or does not answer costs one time-out, not one for each notice."""
    rest = REST if failed.wait_seconds is None else timedelta(seconds=min(failed.wait_seconds, 600))
    everybodys = failed.maybe_done or failed.wait_seconds is not None or channel == "mail"
    if channel != "service" and everybodys and not failed.for_good:
        _resting[str(house.configuration.folder), channel] = at + rest
