"""Work that calls leave behind: recordings to fetch."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from console.house import House
from console.privacy.keys import kept_sounds
from ivr import journal
from storage import due
from storage.due import Work
from webhooks.recordings import RecordingGone, RecordingNotReady, fetch_recording

log = logging.getLogger("ivr.worker")

# A recording that is not ready is asked for again: soon, for a technician may be about to hear it; then
# later each time, for about a day.
FETCH_SOON = timedelta(seconds=2)
FETCHES_SOON = 5
FETCH_AGAIN = timedelta(seconds=15)
FETCH_AGAIN_AT_MOST = timedelta(hours=1)
FETCH_TRIES = 41
# A recording stays at Twilio for so long after it was fetched: the backup of the day has it by then.
KEPT_THERE = timedelta(hours=26)


def fetch_message(house: House, work: Work, at: datetime) -> datetime | None:
    """Fetch a message's recording and keep it, so that it can be listened to here."""
    folder = kept_sounds(house.configuration)
    try:
        file = fetch_recording(house.configuration.twilio, work.key, folder)
    except RecordingNotReady as why:
        if work.tries >= FETCH_TRIES:
            log.error("message %s could not be fetched within a day: %s", work.key, why)
            return None
        if work.tries <= FETCHES_SOON:
            return at + FETCH_SOON
        later = min(work.tries - FETCHES_SOON - 1, 12)
        return at + min(FETCH_AGAIN * (1 << later), FETCH_AGAIN_AT_MOST)
    except RecordingGone as why:
        log.error("message %s cannot be fetched: %s", work.key, why)
        return None
    with house.database.write() as connection:
        kept = journal.message_fetched(connection, at, work.key, file)
        if kept and house.configuration.twilio.account_sid:
            due.add(connection, at, journal.FORGET, work.key, at + KEPT_THERE, {})
    if not kept:
        (folder.folder / file).unlink(missing_ok=True)
    return None
