"""Twilio is asked to forget what is kept here, and what is kept no more.

A recording goes as soon as it is safely here; a call when its story is over, and never before it was compared
with the journal: what nobody has looked at may be a caller whom only Twilio remembers.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import select

from console.house import House
from console.privacy.keys import kept_sounds
from console.work.reconcile import COMPARED
from ivr import journal
from ivr.tables import calls
from oncall.notices.channels import ChannelFailed
from storage import due, notebook
from storage.due import Work
from webhooks.rest.forgetting import RestForgetting

log = logging.getLogger("ivr.worker")

AGAIN, AGAIN_AT_MOST = timedelta(minutes=5), timedelta(hours=12)
# After about a week of failures it is left to whoever reads the log.
TRIES = 20
NOT_COMPARED = timedelta(hours=1)


def forget_recording(
    house: House, work: Work, at: datetime, twilio: RestForgetting | None = None
) -> datetime | None:
    """Delete a recording at Twilio that was fetched. One whose row is gone was erased here: it goes too. One
    whose file is not here, or cannot be read, is fetched anew instead: Twilio's may be the last there is.
    """
    sounds = kept_sounds(house.configuration)
    with house.database.read() as connection:
        file = journal.message_file(connection, work.key)
    if file is not None and sounds.read(file) is None:
        log.error("recording %s cannot be read here: it is fetched again", work.key)
        with house.database.write() as connection:
            due.add(connection, at, journal.FETCH, work.key, at, {})
        return None
    try:
        (twilio or RestForgetting(house.configuration.twilio)).recording(work.key)
    except ChannelFailed as failed:
        return _again(work, at, failed, f"recording {work.key}")
    return None


def forget_calls(
    house: House, work: Work, at: datetime, twilio: RestForgetting | None = None
) -> datetime | None:
    """Delete calls at Twilio whose story is over here."""
    sids = [str(sid) for sid in work.payload["calls"]]
    if not _compared(house, sids):
        return at + NOT_COMPARED
    asked = twilio or RestForgetting(house.configuration.twilio)
    for sid in sids:
        try:
            asked.call(sid)
        except ChannelFailed as failed:
            if failed.for_good:
                log.error("call %s is not deleted at Twilio: %s", sid, failed)
                continue
            return _again(work, at, failed, f"calls from {sid} on")
    return None


def _compared(house: House, sids: list[str]) -> bool:
    """Whether Twilio's calls were compared with ours up to after the last of these; where nobody compares, so
    far as anybody will.
    """
    with house.database.read() as connection:
        note = notebook.read(connection, COMPARED)
        if note is None:
            return True
        until = datetime.fromisoformat(note.content["until"])
        late = select(calls.c.sid).where(calls.c.sid.in_(sids), calls.c.started_at >= until)
        return connection.execute(late.limit(1)).first() is None


def _again(work: Work, at: datetime, failed: ChannelFailed, what: str) -> datetime | None:
    if failed.for_good or work.tries >= TRIES:
        log.error("%s: not deleted at Twilio: %s", what, failed)
        return None
    return at + min(AGAIN * (1 << min(work.tries - 1, 12)), AGAIN_AT_MOST)
