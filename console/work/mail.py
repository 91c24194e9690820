"""Work that goes out by e-mail: letters that bring a PIN, alarms for the admins.

While the mail server is away each piece is tried again, later each time. After one failure the others
that are due wait too, so that a server that does not answer costs one time-out, not one for each.
"""

from __future__ import annotations

import logging
import re
import secrets
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from console.house import House
from console.outbound import alarm_texts, mail
from console.outbound.letter_mail import outbox_folder
from console.outbound.mail import MailFailed, MailRefused
from pins import outbox, registry
from pins.outbox import LetterDamaged, LetterElsewhere
from pins.registry import UnknownPin
from storage.alarms import raise_alarm
from storage.due import Work

log = logging.getLogger("ivr.mail")

AGAIN = timedelta(seconds=30)
AGAIN_AT_MOST = timedelta(minutes=30)
# After this long an alarm that no server took is in the log alone.
ALARM_KEPT = timedelta(days=7)
# After a failure the server is left alone for this long.
REST = timedelta(seconds=20)
# Another node has the file of a letter: it is left to that one. Not always equally long, or the same
# node might come first each time.
ELSEWHERE_MS = 3000

_resting: dict[str, datetime] = {}


def deliver(house: House, work: Work, at: datetime) -> datetime | None:
    """Send a letter that waits in the outbox, once: see pins/outbox.py for the one exception."""
    folder = outbox_folder(house.configuration)
    if at >= outbox.given_up_at(work):
        _give_up(house, work, at, "letter-expired", "no mail server took it within a day")
        return None
    try:
        content = outbox.message_of(work, folder)
    except LetterElsewhere:
        return at + timedelta(milliseconds=ELSEWHERE_MS + secrets.randbelow(ELSEWHERE_MS))
    except LetterDamaged:
        _give_up(house, work, at, "letter-refused", "its file is damaged")
        return None
    if rests := _rests(house, at):
        return rests
    message = message_from_bytes(content, EmailMessage, policy=SMTP)
    try:
        mail.send(house.configuration.mail, message, [work.payload["to"]], house.configuration.folder)
    except MailRefused as why:
        _give_up(house, work, at, "letter-refused", str(why))
        return None
    except MailFailed as why:
        again = _failed(house, work, at, f"the letter of PIN {work.payload['pin']}", why)
        return min(again, outbox.given_up_at(work))
    with house.database.write() as connection:
        outbox.end(connection, at, work)
    outbox.remove(work, folder)
    log.info("the letter of PIN %s is delivered", work.payload["pin"])
    return None


def alarm(house: House, work: Work, at: datetime) -> datetime | None:
    """Tell the admins of an alarm. What cannot be mailed stands in the log, as an error."""
    configuration = house.configuration
    raised = _with_owner(house, work.payload)
    if not (configuration.mail.host and configuration.notices.admins):
        missing = "notices.admins" if configuration.mail.host else "mail.host"
        log.error("alarm %s, not mailed for want of %s: %s", work.key, missing, alarm_texts.told(raised))
        return None
    if work.tries == 1:
        log.warning("alarm %s: %s", work.key, alarm_texts.told(raised))
    if rests := _rests(house, at):
        return rests
    admins, service = configuration.notices.admins, configuration.service
    subject, text = alarm_texts.written(
        raised, work.created_at, configuration.zone, service.languages[0], service.name
    )
    identity = f"alarm-{work.id}-{int(work.created_at.timestamp())}"
    message = mail.compose(configuration.mail, at, admins, subject, text, identity=identity)
    try:
        refused = mail.send(configuration.mail, message, admins, configuration.folder)
    except (MailRefused, MailFailed) as why:
        if at - work.created_at > ALARM_KEPT:
            log.error("alarm %s was never mailed: %s", work.key, alarm_texts.told(raised))
            return None
        return _failed(house, work, at, f"alarm {work.key}", why)
    for address in refused:
        log.error("alarm %s: %s is refused by the mail server", work.key, address)
    return None


def sweep(house: House, at: datetime) -> None:
    """Remove files of letters that nobody waits for any more, on this machine."""
    if count := outbox.sweep(outbox_folder(house.configuration), at):
        log.info("%d old files removed from the outbox", count)


# -- small parts -------------------------------------------------------------------------------


def _give_up(house: House, work: Work, at: datetime, what: str, why: str) -> None:
    """Forget a letter, and tell the admins that its PIN never arrived, in one commit."""
    pin = work.payload["pin"]
    with house.database.write() as connection:
        if outbox.end(connection, at, work):
            raise_alarm(connection, at, what, f"pin:{pin}", {"pin": pin, "why": why})
    outbox.remove(work, outbox_folder(house.configuration))
    log.error("the letter of PIN %s was not delivered: %s", pin, why)


def _with_owner(house: House, raised: dict[str, Any]) -> dict[str, Any]:
    """An alarm about a PIN also says whose it is."""
    found = re.match(r"pin:([0-9]+)", str(raised.get("about", "")))
    if not found:
        return raised
    try:
        with house.database.read() as connection:
            pin = registry.pin(connection, int(found[1]))
    except UnknownPin:
        return raised
    return {**raised, "pin": pin.id, "customer": pin.customer, "label": pin.label}


def _failed(house: House, work: Work, at: datetime, what: str, why: Exception) -> datetime:
    log.error("%s could not be mailed (try %d): %s", what, work.tries, why)
    _resting[house.configuration.mail.host] = at + REST
    return at + min(AGAIN * (1 << min(work.tries - 1, 10)), AGAIN_AT_MOST)


def _rests(house: House, at: datetime) -> datetime | None:
    """Until when the server is left alone, None if it is not."""
    until = _resting.get(house.configuration.mail.host)
    return until if until and until - REST <= at < until else None
