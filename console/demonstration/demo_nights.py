"""The last two nights of a demonstration: calls that people of the cast made, phoned through its own door
with the clock set back. Nobody outside is asked anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from console.house import House, numbers
from console.rehearsing.playhouse import Playhouse
from console.rehearsing.quiet import rehearsing
from console.rehearsing.tone import tone
from ivr import casework, journal
from ivr.records import heard
from oncall.cases import cases
from oncall.rota import roster
from oncall.rota.wallclock import instant_of

# The cast enters so long before now; every night that is played is later.
BEFORE = timedelta(days=4)
# How the demonstration's own PIN is called in conversations; the others have one of their own.
SHOWN, OTHERS = "acme", ("MELE", "BAITA")
# A call that goes on at this very instant would end after it.
LONGEST = timedelta(minutes=40)
STEP = timedelta(seconds=30)
# Of the case that is open at night: how long ago its customer called.
JUST_NOW = timedelta(minutes=12)

TALKED = """\
* {caller} calls {number}
> PIN {caller}
> {key}
* {first}'s phone rings
* {first} answers
{first} > 1
* they talk for {minutes} minutes
"""
WRONG_THEN_RIGHT = """\
* acme calls trento
> wrong PIN
> PIN acme
> 3
* {first}'s phone rings
* {first}'s voicemail answers
* dario's phone rings
* dario answers
dario > 1
* they talk for 9 minutes
"""
NOT_URGENT = """\
* mele calls tione
> PIN mele
> 4
> nothing
"""
NO_CONTRACT = """\
* baita calls trento-nord
> PIN baita
> hangs up
"""
STRANGER = """\
* an unknown number calls trento
> wrong PIN
> wrong PIN
> hangs up
"""
BY_DAY = """\
* mele calls trento
* office's phone rings
* office answers
* they talk for 3 minutes
"""
NOBODY = """\
* {caller} calls trento
> PIN {caller}
> {key}
* {first}'s phone rings
* {first} does not answer
* dario does not answer
* {first} does not answer
* dario does not answer
> speaks 18 s and presses #
"""
TAKEN_WHEN_PURSUED = (
    NOBODY.replace("{caller}", "mele").replace("{key}", "2")
    + """\
* the worker works
* {first} gets a text "Nessuno ha risposto"
* dario gets a text "Nessuno ha risposto"
* {first} is phoned
* {first} does not answer
* the worker works
* dario is phoned
* dario answers
dario > 1
* mele's phone rings
* mele answers
* they talk for 7 minutes, then the caller hangs up
"""
)
AGAIN = """\
* mele calls trento
> PIN mele
> 2
> 1
* dario's phone rings
* dario answers
dario > 1
* they talk for 4 minutes
"""


@dataclass(frozen=True)
class Closed:
    """How a case ended: so long after its call, with these words and minutes."""

    after: timedelta
    outcome: str
    minutes: int


@dataclass(frozen=True)
class Scene:
    """A conversation at an instant. `closed` is how its case ended, None if it is still open, or has none."""

    at: datetime
    text: str
    closed: Closed | None = None


def play(house: House, at: datetime, pin: str) -> None:
    """Fill the house, which the cast has entered, with what happened up to `at`; `pin` is ACME's."""
    played = Playhouse(house, at - BEFORE + timedelta(hours=1), sound=tone)
    played.pins[SHOWN] = pin
    for code in OTHERS:
        played.issue(code)
    with rehearsing():
        _play(played, at)


def _play(played: Playhouse, at: datetime) -> None:
    scenes = _scenes(played.house, at)
    events = [(scene.at, False, scene) for scene in scenes]
    events += [(scene.at + scene.closed.after, True, scene) for scene in scenes if scene.closed]
    sids: dict[datetime, str] = {}
    for when, closes, scene in sorted(events, key=lambda event: event[0]):
        if when > at:
            break
        played.clock.reach(when)
        if closes:
            _close(played, sids[scene.at], scene)
        else:
            sids[scene.at] = _call(played, scene)
    # What goes on is pursued up to now.
    while sids and max(sids) > at - LONGEST and played.clock.now() + STEP < at:
        played.clock.forward(seconds=STEP.total_seconds())
        played.work()


def _scenes(house: House, at: datetime) -> list[Scene]:
    """What is played, in the order of time: all that is long over, and at night one call just now."""
    zone = house.configuration.zone
    today = at.astimezone(zone).date()
    hours = numbers(house.configuration)[house.configuration.our_numbers[0]].hours

    def on(days_ago: int, clock: str) -> datetime:
        return instant_of(today - timedelta(days=days_ago), time.fromisoformat(clock), zone)

    def talked(caller: str, number: str, key: str, minutes: int) -> str:
        return TALKED.format(caller=caller, number=number, key=key, minutes=minutes, first="{first}")

    hour = timedelta(hours=1)
    wanted = [
        Scene(
            on(2, "19:12"),
            talked("mele", "trento", "1", 14),
            Closed(hour, "Cella frigorifera ferma: riavviato il controllore da remoto.", 45),
        ),
        Scene(
            on(2, "23:40"),
            WRONG_THEN_RIGHT,
            Closed(hour, "Posta ferma per un certificato scaduto: rinnovato.", 30),
        ),
        Scene(on(1, "18:52"), NOT_URGENT),
        Scene(
            on(1, "21:05"),
            TAKEN_WHEN_PURSUED,
            Closed(3 * hour, "Sostituito l'alimentatore dello switch in magazzino.", 110),
        ),
        Scene(on(1, "21:41"), AGAIN),
        Scene(on(1, "23:15"), NO_CONTRACT),
        Scene(on(0, "00:48"), STRANGER),
        Scene(
            on(0, "02:20"),
            talked("acme", "trento", "1", 22),
            # Before any call of just now: ACME would be asked whether it is about the same.
            Closed(timedelta(minutes=28), "Server di produzione riavviato dopo un guasto al disco.", 30),
        ),
        Scene(on(0, "05:36"), talked("mele", "tione", "3", 6)),
    ]
    mornings = (on(days_ago, "10:30") for days_ago in range(BEFORE.days))
    open_ = next((each for each in mornings if each + LONGEST < at and not hours.at(each).pin), None)
    if open_ is not None:
        wanted.append(Scene(open_, BY_DAY))
    over = [scene for scene in wanted if at - BEFORE + hour < scene.at < at - LONGEST]
    if hours.at(at - JUST_NOW).pin and hours.at(at).pin:
        over.append(Scene(at - JUST_NOW, NOBODY.replace("{caller}", "acme").replace("{key}", "1")))
    return sorted(over, key=lambda scene: scene.at)


def _call(played: Playhouse, scene: Scene) -> str:
    """Play it, let the worker do what it made due, and return the sid of its call."""
    with played.house.database.read() as connection:
        ladder = roster.ladder(connection, played.configuration.ringing, "duty", scene.at)
    text = scene.text.replace("{first}", ladder[0].technician if ladder else "dario")
    (call,) = played.play(text, "the last nights").calls
    played.work()
    return call.sid


def _close(played: Playhouse, sid: str, scene: Scene) -> None:
    """Whoever has the case closes it; he has listened to what was left to listen to."""
    at, closed = played.clock.now(), scene.closed
    assert closed is not None
    with played.house.database.write() as connection:
        case = cases.of_call(connection, sid)
        assert case is not None
        actor = f"technician:{casework.holder(connection, case)}"
        for message in journal.messages_of(connection, sid):
            heard.listened(connection, actor, at, message.recording)
        casework.close(connection, actor, at, case, closed.outcome, closed.minutes)
