"""One rehearsal with whoever is in it, taken in hand move by move: what a move brought, what time brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from console.phone.callfile import ClockStands, parse
from console.phone.events import Called, Event, Heard
from console.phone.script import PressesPin
from console.rehearsing import passing, quiet, summary
from console.rehearsing.phones import Person, Phone, on_the_table
from console.rehearsing.rehearsal import Rehearsal
from console.rehearsing.session import brought
from console.rehearsing.stage import Stage, rehearsed
from console.settings import Configuration
from pins.customers import UnknownCustomer
from storage.engine import Database


@dataclass(frozen=True)
class Cue:
    """What a rehearsal begins with. `caller` as the cast calls him: a customer's code in small letters, one
    of the two strangers or a number. `number` is one of ours in E.164. `customer` is whose PIN can be
    keyed, None for nobody's.
    """

    at: datetime
    number: str
    caller: str
    customer: str | None = None


@dataclass
class Scene:
    """`moves` counts what was done to it; `fresh` is what the last of it brought, `cut` what was heard of the
    prompts it cut off.
    """

    cue: Cue
    rehearsal: Rehearsal
    stage: Stage
    moves: int = 0
    fresh: tuple[Event, ...] = ()
    cut: tuple[Heard, ...] = ()

    @property
    def events(self) -> list[Event]:
        """Everything that happened, calls of the program included."""
        return self.stage.session.exchange.events

    @property
    def call_events(self) -> list[Event]:
        """What happened since the latest call came in."""
        since = sum(1 for _ in takewhile(lambda event: not isinstance(event, Called), reversed(self.events)))
        return self.events[-since - 1 :]

    @property
    def caller(self) -> Person:
        """The caller's own phone: it may be rung, too."""
        cast = self.stage.session.cast
        phone = cast.phone(self.cue.caller)
        return Person(cast.name_of(phone), cast.name_of(phone), phone, office=True)

    @property
    def phones(self) -> list[Phone]:
        """Everybody's phone as it stands after the latest call; the caller's own and people's other phones
        if they were rung. The `key` of another phone is its number.
        """
        others = (
            Person(person.phone, person.name, person.phone, office=True)
            for person in self.stage.other_phones.values()
        )
        return on_the_table((*self.stage.people, *others, self.caller), self.call_events)

    @property
    def goes_on(self) -> bool:
        """Whether any call goes on, of the caller or of the program."""
        return bool(self.stage.session.board.live)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """What is done within is one move, with whatever the worker does at once because of it."""
        before = list(self.events)
        with quiet.rehearsing():
            try:
                yield
                self.work()
            finally:
                self.cut, self.fresh = brought(before, self.events)
                self.moves += 1

    def work(self) -> None:
        """Let the worker do what is due, if anything is."""
        if self.rehearsal.has_work():
            self.rehearsal.work()

    def let_pass(self, seconds: float) -> None:
        """See `passing.let_pass`."""
        passing.let_pass(self.stage.session, seconds, self.work)

    def summary(self) -> summary.Summary | None:
        """What the journal says of the caller's latest call."""
        call = self.stage.session.call
        return summary.of_call(self.stage.database, call.sid) if call else None

    def as_test(self) -> str:
        """Everything that happened, as the text of a `.call` file."""
        return summary.as_test(self.stage.session, self.summary())

    def close(self) -> None:
        """Take the stage down; its folder is removed."""
        self.rehearsal.close()


def set_up(configuration: Configuration, real: Database, cue: Cue, *, real_pins: bool = False) -> Scene:
    """A copy of the real house at the instant of the cue, with a PIN for its customer alone. With `real_pins`
    those that were issued in the real house can be keyed too.

    Raises UnknownCustomer, LookupError for a caller or a number that nobody has.
    """
    rehearsal = Rehearsal(configuration, cue.at, real_pins=real_pins)
    try:
        with quiet.rehearsing():
            rehearsal.copy(real, issue=())
            if cue.customer is not None:
                rehearsal.issue(cue.customer)
            stage = rehearsed(rehearsal)
        stage.session.cast.phone(cue.caller)
        stage.session.cast.number(cue.number)
    except BaseException:
        rehearsal.close()
        raise
    return Scene(cue, rehearsal, stage)


def begins(text: str, configuration: Configuration) -> datetime | None:
    """The instant at which a `.call` file begins; None if it names none. Raises BadCallFile."""
    told = next((line.at for line in parse(text).lines if isinstance(line, ClockStands)), None)
    return told and (told if told.tzinfo else told.replace(tzinfo=configuration.zone))


def play(scene: Scene, text: str, path: str) -> None:
    """Play a `.call` file in the scene, with a PIN for each customer whose PIN it names.

    Raises BadCallFile, Mismatch, NeverSettles; what had happened until then stands.
    """
    named = {line.customer for line in parse(text, path).lines if isinstance(line, PressesPin)}
    with scene.moving():
        for name in sorted(each for each in named if each and each not in scene.rehearsal.pins):
            try:
                scene.rehearsal.issue(name)
            except UnknownCustomer:
                continue  # told where it is keyed
        try:
            scene.rehearsal.play(text, path)
        finally:
            _take_over(scene)


def _take_over(scene: Scene) -> None:
    """Whoever called last in a file goes on calling from now on."""
    session, calls = scene.stage.session, scene.rehearsal.exchange.calls
    session.go_on_with(calls)
    if calls:
        name = session.cast.name_of(calls[-1].from_)
        customer = name if name in scene.rehearsal.pins else None
        scene.cue = replace(scene.cue, number=calls[-1].to, caller=name, customer=customer)
