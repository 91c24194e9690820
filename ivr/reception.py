"""Who serves a request: the desks with the house's database, or without it those of the standby.

Every request is tried with the database, which has its own limits of time (`storage.engine`). Whatever is
raised, the standby serves it instead: a caller must not be lost, and what went wrong stands in the log. After
a failure of the database itself the requests of the next moments do not wait for it again.

A call may go from one to the other and back between any two turns; it carries along what it needs.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ivr import noting
from ivr.answer import HANG_UP, Answer
from ivr.desk import Desk
from ivr.outgoing_desk import OutgoingDesk
from ivr.outgoing_flow import OutgoingReceived
from ivr.standby import merging, standby
from ivr.technician_desk import TechnicianDesk
from ivr.text_messages import TextDesk, TextReceived
from ivr.vocabulary import Carried, LegReceived, Received, Recording
from storage import due
from storage.engine import Database, is_contended, is_gone
from storage.spare import Retired, Spare, Spares

log = logging.getLogger("ivr.standby")
T = TypeVar("T")
# Given when the snapshot was written that is known, None for none.
Newer = Callable[[datetime | None], bytes | None]

# Until the database is tried again, by one request.
RETRY_AFTER = timedelta(seconds=2)


@dataclass(frozen=True)
class Desks:
    """Who serves calls and texts: the caller's desk, the technicians', those for calls that we place and for
    text messages.
    """

    caller: Desk
    technicians: TechnicianDesk
    outgoing: OutgoingDesk
    texts: TextDesk


def _kind(error: Exception) -> str:
    """What went wrong, in a word or two: a traceback for each request would say no more."""
    behind = getattr(error, "orig", None)
    return type(error).__name__ + (f", {type(behind).__name__}" if behind else "")


def _twice_if_contended(do: Callable[[], T]) -> T:
    """What `do` returns; it is done again if another transaction was in its way."""
    try:
        return do()
    except Exception as error:
        if not is_contended(error):
            raise
        log.warning("done again: %s", _kind(error))
        noting.anew()
        return do()


class Watch:
    """Whether the database is worth a try. One for a process."""

    def __init__(self, retry_after: timedelta = RETRY_AFTER) -> None:
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._failed_at: datetime | None = None

    @property
    def away(self) -> bool:
        return self._failed_at is not None

    def worth_a_try(self, at: datetime) -> bool:
        """True while all is well; after a failure for one request every few seconds."""
        with self._lock:
            # A clock that was put back must not keep us from it.
            if self._failed_at is not None and timedelta(0) <= at - self._failed_at < self._retry_after:
                return False
            if self._failed_at is not None:
                self._failed_at = at
            return True

    def failed(self, at: datetime) -> None:
        with self._lock:
            self._failed_at = at

    def answered(self) -> None:
        if self._failed_at is not None:
            log.warning("the database is back")
            self._failed_at = None


class Standby:
    """The desks that serve without the database: those of the spare, made when they are needed."""

    def __init__(self, spares: Spares, desks_of: Callable[[Spare], Desks], newer: Newer) -> None:
        """`newer` returns the content of a snapshot that was written since, if there is one."""
        self.spares = spares
        self._desks_of = desks_of
        self._newer = newer
        self._made: dict[str, Desks] = {}

    def serve(self, do: Callable[[Desks], T], at: datetime) -> T:
        """What `do` returns. Raises what it raises, if no spare can be written at all."""
        for _ in range(3):
            spare = self.spares.current(at)
            try:
                self._refresh(spare)
                return do(self.desks(spare))
            except Retired:
                continue
            except Exception as error:
                if not is_gone(error):
                    raise  # another spare would say the same
                log.error("the standby database cannot be used", exc_info=error)
                self.spares.give_up(spare)
        return do(self.desks(self.spares.current(at)))

    def _refresh(self, spare: Spare) -> None:
        """A spare that stands since an earlier outage learns what has changed between the two."""
        with spare.read() as connection:
            known = standby.standing(connection).at
        content = self._newer(known)
        if content is not None:
            with spare.write() as connection:
                standby.refresh(connection, content)

    def desks(self, spare: Spare) -> Desks:
        if spare.home not in self._made:
            self._made[spare.home] = self._desks_of(spare)
        return self._made[spare.home]

    def bring_home(self, main: Database, sid: str, at: datetime) -> None:
        """Bring this call, if it was served here without the database."""
        if self.spares.any():
            for spare in self.spares.standing():
                with suppress(Retired):  # this very moment: all of it is home
                    merging.bring_call(main, spare, sid, at)


class Reception:
    """Takes each request to whoever can serve it."""

    def __init__(self, main: Desks, database: Database, standby: Standby, watch: Watch | None = None) -> None:
        self._main = main
        self._database = database
        self._standby = standby
        self.watch = watch or Watch()

    # -- a caller ---------------------------------------------------------------------------------

    def answer(self, got: Received, at: datetime) -> Answer:
        """See `Desk.answer`."""
        noting.here().turn = got.turn
        return _noted(self._serve(lambda desks: desks.caller.answer(got, at), at, got.sid))

    def repeat(self, got: Received, at: datetime) -> Answer:
        """See `Desk.repeat`."""
        return _noted(self._serve(lambda desks: desks.caller.repeat(got, at), at, got.sid))

    def ended(self, sid: str, at: datetime) -> None:
        """See `Desk.ended`."""
        self._serve(lambda desks: desks.caller.ended(sid, at), at, sid)

    def recording_ready(self, call_sid: str, recording: Recording, status: str, at: datetime) -> None:
        """See `Desk.recording_ready`."""
        self._serve(lambda desks: desks.caller.recording_ready(call_sid, recording, status, at), at, call_sid)

    # -- a technician's leg -----------------------------------------------------------------------

    def answer_technician(self, got: LegReceived, at: datetime) -> Answer:
        """See `TechnicianDesk.answer`."""
        noting.here().turn = got.turn
        return _noted(self._serve(lambda desks: desks.technicians.answer(got, at), at, got.parent_sid))

    def technician_gone(self, sid: str, at: datetime) -> None:
        """See `TechnicianDesk.gone`."""
        self._serve(lambda desks: desks.technicians.gone(sid, at), at)

    def carried_before(self, call_sid: str, attempt_id: int) -> Carried | None:
        """See `TechnicianDesk.carried_before`."""
        return self._main.technicians.carried_before(call_sid, attempt_id)

    # -- a call that we placed; text messages -------------------------------------------------------

    def answer_placed(self, got: OutgoingReceived, at: datetime) -> Answer:
        """See `OutgoingDesk.answer`. A call is served by whoever placed it, while that can be."""
        noting.here().turn = got.turn
        if not got.home:
            return _noted(self._serve(lambda desks: desks.outgoing.answer(got, at), at))
        desks = self._of(got.home)
        if desks is None:
            log.warning("call %s was placed by a node whose standby is gone", got.sid)
            return HANG_UP
        noting.passed_on("standby")
        return _noted(desks.outgoing.answer(got, at))

    def placed_ended(self, outgoing_id: int, home: str, sid: str, status: str, at: datetime) -> None:
        """See `OutgoingDesk.ended`. What cannot be written down now is kept."""
        desks = self._of(home)
        if desks is not None:
            told = {"placed": outgoing_id, "sid": sid, "status": status}
            self._or_later(lambda: desks.outgoing.ended(outgoing_id, sid, status, at), told, at)

    def answer_text(self, got: TextReceived, at: datetime) -> str:
        """See `TextDesk.answer`."""
        return self._serve(lambda desks: desks.texts.answer(got, at), at)

    def receipt(self, send_id: int, home: str, sid: str, status: str, why: str, at: datetime) -> None:
        """See `TextDesk.receipt`. What cannot be written down now is kept."""
        desks = self._of(home)
        if desks is not None:
            told = {"send": send_id, "sid": sid, "status": status, "why": why}
            self._or_later(lambda: desks.texts.receipt(send_id, sid, status, why, at), told, at)

    def _or_later(self, do: Callable[[], None], told: dict[str, Any], at: datetime) -> None:
        """What the network told of something that only the database knows is kept until it is back."""
        try:
            _twice_if_contended(do)
        except Exception as error:
            if not (is_gone(error) or is_contended(error)):
                raise
            log.error("what the network told is written down later (%s)", _kind(error))
            with self._standby.spares.current(at).write() as connection:
                due.add(connection, at, merging.TOLD, secrets.token_hex(8), at, told)

    # -- by whom ----------------------------------------------------------------------------------

    def _of(self, home: str) -> Desks | None:
        """The desks of the database of this name."""
        if not home:
            return self._main
        spare = self._standby.spares.named(home)
        return self._standby.desks(spare) if spare else None

    def _with_database(self, do: Callable[[Desks], T], at: datetime, sid: str) -> T:
        if sid:
            self._standby.bring_home(self._database, sid, at)
        return do(self._main)

    def _serve(self, do: Callable[[Desks], T], at: datetime, sid: str = "") -> T:
        if self.watch.worth_a_try(at):
            noting.here().by = "database"
            try:
                done = _twice_if_contended(lambda: self._with_database(do, at, sid))
            except Exception as error:
                # What was keyed never stands in an error: statements hide their values.
                if is_gone(error):
                    self.watch.failed(at)
                    log.error("no database for call %s (%s): the standby serves", sid or "-", _kind(error))
                else:
                    log.exception("call %s failed: the standby serves", sid or "-")
            else:
                self.watch.answered()
                return done
        noting.passed_on("standby")
        return self._standby.serve(do, at)


def _noted(answer: Answer) -> Answer:
    """The same answer, its kind noted: the last of its parts is what it waits for."""
    noting.here().said = type(answer.parts[-1]).__name__.lower() if answer.parts else "nothing"
    return answer
