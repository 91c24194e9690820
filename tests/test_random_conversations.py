"""Whatever callers and technicians do, at whatever hour, on whatever network: what must always hold."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from staging import on_stage

from console.commands.phone import shipped
from console.phone import Behaviour, CallerCall
from console.phone.events import CALLER, Answered, Bridged, Failed, HungUp, Pressed, Rang
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration
from ivr import journal
from oncall.cases import cases
from oncall.reaching import attempts
from pins import throttle
from storage import due

OFFICES = {"+390461000001", "+390465000001"}
TECHNICIANS = {f"+39333123450{number}" for number in range(1, 5)}
CALLERS = ("acme", "mele", "malga", "anna", "dario", "office", "an unknown number", "a withheld number")
RIGHT = ("acme", "mele")
# The longest way there is: an office, every prompt missed, eight whispers played with, a message.
MOST_STEPS = 120

Act = Callable[[], object]


@cache
def configuration() -> Configuration:
    return shipped()


class ErrorsLogged(logging.Handler):
    """Remembers what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    handler = ErrorsLogged()
    logging.getLogger().addHandler(handler)
    try:
        yield handler.texts
    finally:
        logging.getLogger().removeHandler(handler)


@dataclass
class Players:
    """A caller and whoever he reaches, who do what the numbers they are given say."""

    rehearsal: Rehearsal
    call: CallerCall
    wrong: int = 0
    right_pin_keyed: bool = False
    done: list[str] = field(default_factory=list)

    def act(self, number: int) -> None:
        acts = self.possible()
        name, act = acts[number % len(acts)]
        self.done.append(f"{self.call.state}: {name}")
        act()

    def possible(self) -> list[tuple[str, Act]]:
        """What can be done now; the first leads to the end if it is done for ever."""
        call = self.call
        match call.state:
            case "gathering":
                return self.at_the_keys()
            case "ringing":
                leg = call.ringing[0]
                return [
                    ("lets it ring", leg.no_answer),
                    ("is busy", leg.busy),
                    ("cannot be reached", leg.fail),
                    ("answers", leg.answer),
                    ("answers at once", partial(leg.answer, after=0)),
                    ("voicemail", leg.voicemail),
                    ("the caller hangs up", call.hang_up),
                ]
            case "whispering":
                leg = call.leg
                assert leg is not None
                keys = [(f"keys {key}", partial(leg.press, key)) for key in "1234567890*#19"]
                at_once = [
                    (f"keys {key} at once", partial(leg.press, key, after=0)) for key in ("1", "2", "21")
                ]
                leaves = [("hangs up", leg.hang_up), ("the caller hangs up", call.hang_up)]
                return [("waits", leg.wait), *keys, *at_once, *leaves]
            case "bridged":
                leg = call.leg
                assert leg is not None
                return [
                    ("they talk", partial(leg.talk, 60)),
                    ("they talk, the caller hangs up", partial(leg.talk, 60, ends="caller")),
                    ("they talk for five hours", partial(leg.talk, 18_000)),
                    ("they talk for a moment", partial(leg.talk, 5)),
                ]
            case _:
                return [
                    ("is silent", partial(call.speak, 0, then="silence")),
                    ("speaks", partial(call.speak, 20, then="#")),
                    ("speaks and hangs up", partial(call.speak, 5)),
                    ("hangs up", call.hang_up),
                    ("speaks too long", partial(call.speak, 500, then="silence")),
                ]

    def at_the_keys(self) -> list[tuple[str, Act]]:
        call = self.call
        pins = [
            (f"PIN {name}", partial(self.key_pin, name))
            for name in (*RIGHT, *RIGHT, *RIGHT, "malga", "baita", "acme-revoked", "acme-expired")
        ]
        keys = [
            (f"keys {keys}", partial(call.press, keys))
            for keys in (
                "1",
                "1",
                "1",
                "2",
                "3",
                "4",
                "0#",
                "#",
                "12#",
                "*",
                "9#",
                "7",
                "1*3#",
                "5" * 40,
                "8",
                "9",
            )
        ]
        return [
            ("waits", call.wait),
            ("hangs up", call.hang_up),
            *pins,
            ("a wrong PIN", self.key_wrong_pin),
            *keys,
        ]

    def key_pin(self, name: str) -> None:
        self.right_pin_keyed |= name in RIGHT
        self.call.press(self.rehearsal.pins[name] + "#", label=f"PIN of {name}")

    def key_wrong_pin(self) -> None:
        self.wrong += 1
        self.call.press(self.rehearsal.cast().wrong_pin(self.wrong) + "#", label="a wrong PIN")


behaviours = st.builds(
    Behaviour,
    declined_status=st.sampled_from(["completed", "no-answer"]),
    voicemail_status=st.sampled_from(["completed", "no-answer"]),
    caller_gone_status=st.sampled_from(["canceled", "no-answer"]),
    action_after_caller_hangup=st.booleans(),
    sends_digits_when_empty=st.booleans(),
    keeps_keys=st.booleans(),
    callbacks_late=st.booleans(),
)
# From here on the expired PIN of the cast has expired.
instants = st.integers(0, 350 * 24 * 60).map(
    lambda minutes: datetime(2026, 3, 3, 12, tzinfo=UTC) + timedelta(minutes=minutes)
)
# Many calls should get beyond the PIN: most begin with what leads there. Three wrong ones lead to a
# technician too, once the budget of them is spent.
openings = st.sampled_from(
    [
        *((), (), (2,), (2, 12), (2, 12, 3), (2, 12, 3, 1), (3, 16), (0, 2, 12, 5)),
        *((12, 12, 12, 1), (3, 12, 12, 0, 0, 3, 1), (12, 12, 12, 0, 0), (12, 12, 12, 1, 0, 0, 0, 0, 0, 3)),
    ]
)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    at=instants,
    who=st.sampled_from(CALLERS),
    to=st.sampled_from(["trento", "trento-nord", "tione"]),
    opening=openings,
    spent=st.booleans(),
    moves=st.lists(st.integers(0, 999), max_size=40),
    behaviour=behaviours,
)
def test_any_call(
    at: datetime,
    who: str,
    to: str,
    opening: tuple[int, ...],
    spent: bool,
    moves: list[int],
    behaviour: Behaviour,
) -> None:
    with errors_logged() as errors, on_stage(configuration(), at, behaviour=behaviour) as rehearsal:
        cast = rehearsal.cast()
        if spent:
            spend_the_budget(rehearsal)
        call = rehearsal.exchange.ring(cast.phone(who), cast.number(to))
        players = Players(rehearsal, call)
        for step in range(MOST_STEPS):
            if call.state == "ended":
                break
            numbers = (*opening, *moves)
            players.act(numbers[step] if step < len(numbers) else 0)
        assert call.state == "ended", players.done
        check(players, behaviour, spent=spent)
    assert errors == [], players.done


def spend_the_budget(rehearsal: Rehearsal) -> None:
    with rehearsal.house.database.write() as connection:
        for _ in range(throttle.BUDGET_HOUR):
            throttle.missed(connection, rehearsal.clock.now(), "", throttle.Lane.SHARED)


def check(players: Players, behaviour: Behaviour, *, spent: bool) -> None:
    """What holds of a call that is over, told from what the telephones did, not from the journal."""
    call, done = players.call, players.done
    events = call.events
    assert [event for event in events if isinstance(event, Failed)] == [], done
    rung = {event.phone for event in events if isinstance(event, Rang)}
    assert rung <= OFFICES | TECHNICIANS, done
    assert call.from_ not in rung, done
    for place, event in enumerate(events):
        if isinstance(event, Bridged) and event.phone in TECHNICIANS:
            assert accepted_by_key(events[:place], event.phone), done
    with players.rehearsal.house.database.read() as connection:
        latest = journal.call(connection, call.sid)
        opened = cases.recent(connection)
        pursued = {case.number: due.pending(connection, cases.PURSUE, case.number) for case in opened}
        results = {
            case.number: [a.result for a in attempts.attempts_of(connection, case.id)] for case in opened
        }
        unsettled = attempts.unsettled(connection, call.sid)
    screened = any(case.screened for case in opened)
    if TECHNICIANS & rung and not screened:
        assert players.right_pin_keyed, done
    if screened:
        assert_nothing_was_promised(players, opened[0])
        # Six wrong ones of his own would do as well, but nobody keys so many in one call.
        assert spent, done
    assert len(opened) <= 1, done
    assert unsettled == [], done
    assert latest.ended is not None, done
    assert latest.outcome is not None, done
    for case in opened:
        # Taken once, but he wanted the technician again and nobody came: pursued all the same.
        unmet = "connected" not in results[case.number][-1:]
        assert pursued[case.number] == (unmet and not screened), done
    talked = any(isinstance(event, Bridged) and event.phone in TECHNICIANS for event in events)
    kinds = [type(e) for e in events if isinstance(e, Bridged | Rang) and e.phone in TECHNICIANS]
    rung_again = Bridged in kinds and Rang in kinds[kinds.index(Bridged) :]
    left_first = any(isinstance(e, HungUp) and e.party == e.by == CALLER for e in events)
    assert opened or not TECHNICIANS & rung, done
    # A case for which nobody was rung: he hung up while he heard its code.
    assert TECHNICIANS & rung or left_first or not opened, done
    if rung_again:
        assert talked, done  # what came of the second ringing counts, whatever it was
    elif behaviour.action_after_caller_hangup or not left_first:
        assert (latest.outcome == "connected") == talked, done
    else:
        assert talked or latest.outcome != "connected", done


def assert_nothing_was_promised(players: Players, case: cases.Case) -> None:
    """A technician was rung for a caller without a verified PIN: each once, and that was all."""
    assert (case.customer_id, case.urgency, case.due_at) == (None, None, None), players.done
    events = players.call.events
    met = next((place for place, event in enumerate(events) if isinstance(event, Bridged)), len(events))
    rang = [event.phone for event in events[:met] if isinstance(event, Rang) and event.phone in TECHNICIANS]
    assert len(rang) == len(set(rang)), players.done
    said = " ".join(players.call.heard())
    for promise in ("sarà preso in carico", "will be taken up", "übernommen"):
        assert promise not in said, players.done


def accepted_by_key(events: list[object], phone: str) -> bool:
    """Whether somebody at `phone` pressed 1 since it was last picked up."""
    for event in reversed(events):
        if isinstance(event, Pressed) and event.party == phone and "1" in event.keys:
            return True
        if isinstance(event, Answered) and event.phone == phone:
            return False
    return False
