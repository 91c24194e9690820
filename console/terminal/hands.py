"""What each key of the keyboard does, wherever the telephone stands. Knows no terminal and no screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from console.phone import OutOfTurn
from console.phone.callfile import WITHHELD
from console.phone.exchange import NeverSettles
from console.rehearsing import summary
from console.rehearsing.orders import SECONDS_TO_SPEAK
from console.rehearsing.pace import Sentence, beginning, laid_out
from console.rehearsing.phones import Person, Phone, on_the_table
from console.rehearsing.session import Act
from console.rehearsing.stage import Choice, Stage
from console.rehearsing.summary import Summary
from console.terminal.chooser import Chooser

ACTS: dict[str, Act] = {
    "a": "answers",
    "d": "declines",
    "n": "does not answer",
    "b": "is busy",
    "f": "cannot be reached",
    "v": "voicemail",
}
NOBODY = "nobody's"
# A question that leaves this little time is a pause in what is said: it passes by itself.
A_PAUSE = timedelta(seconds=2)
# A key that was meant for what stood there before a pause passed by itself is not taken.
SECONDS_TO_LOOK = 0.8
BETWEEN_CALLS = {" ": 600, "+": 3600}


@dataclass
class Dial:
    """Who is to call whom."""

    caller: str
    number: str


class Hands:
    """One telephone under the hands of one or two people.

    `selected`: whose phone takes the next digits, None for the caller's. `message`: why the last key did
    nothing. `at_rest`: no call is going on and the next one can be chosen. `done`: quit.
    """

    def __init__(
        self, stage: Stage, *, caller: str, number: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stage = stage
        self.session = stage.session
        self.dial = Dial(caller, number)
        self.chooser: Chooser | None = None
        self.selected: str | None = None
        self.message = ""
        self.at_rest = True
        self.done = False
        self.summary: Summary | None = None
        self.sentences: tuple[Sentence, ...] = ()
        self._clock = clock
        self._began = clock()
        self._stopped: float | None = None
        self._moves = 0
        self._look = 0.0
        self._outlook: tuple[tuple[str, int], tuple[str, str]] | None = None

    # What there is to see

    @property
    def phones(self) -> list[Phone]:
        return on_the_table(self.stage.people, self.session.events)

    @property
    def position(self) -> float:
        """Seconds of the present sentences that have been said."""
        return self._stopped if self._stopped is not None else self._clock() - self._began

    @property
    def speaking(self) -> bool:
        """Whether a sentence is on its way."""
        return self.unsaid and self._stopped is None

    @property
    def unsaid(self) -> bool:
        """Whether something of the present sentences has not been said, be it that a key stopped them."""
        return bool(self.sentences) and self.position < self.sentences[-1].ends

    @property
    def outlook(self) -> tuple[str, str]:
        """What the chosen number would do now, in words; looked up once a minute."""
        key = (self.dial.number, int(self.session.now.timestamp()) // 60)
        if self._outlook is None or self._outlook[0] != key:
            self._outlook = (key, self.stage.outlook(self.dial.number))
        return self._outlook[1]

    # What happens

    def press(self, key: str) -> None:
        """One key, by name. What is not possible becomes a message; after q nothing happens any more."""
        if self.done:
            return
        self.message = ""
        try:
            if self.chooser is not None:
                self.chooser.press(key)
                if self.chooser.done:
                    self.chooser = None
            elif key == "q":
                self.done = True
            elif self.at_rest:
                self._between_calls(key)
            else:
                self._in_call(key)
        except (OutOfTurn, LookupError, NeverSettles) as error:
            self.message = str(error.args[0])
        self._settle()

    def tick(self) -> None:
        """Time goes by: a pause in what is said passes by itself. To be called now and then."""
        asked = self.session.asked()
        if self.session.state != "gathering" or asked is None or self.chooser is not None:
            return
        patience = asked.times_out - asked.prompt_ends
        end = self.sentences[-1].ends if self.sentences else 0.0
        if patience <= A_PAUSE and self._stopped is None and self.position > end + patience.total_seconds():
            try:
                self.session.wait()
            except NeverSettles as error:
                self.message = str(error)
            self._look = self._clock() + SECONDS_TO_LOOK
            self._settle()

    def leave(self) -> None:
        """Hangs up a call that is going on."""
        if self.session.going_on:
            self.session.hang_up()
        self._settle()

    # Between calls

    def _between_calls(self, key: str) -> None:
        match key:
            case "enter":
                self.at_rest = False
                self.summary = None
                try:
                    self.session.dial(self.dial.caller, self.dial.number)
                except NeverSettles:
                    self.at_rest = True
                    raise
            case "left" | "right":
                names = [choice.name for choice in self.stage.callers]
                self.dial.caller = _neighbour(names, self.dial.caller, key == "right")
            case "up" | "down" | "tab":
                names = [choice.name for choice in self.stage.numbers]
                self.dial.number = _neighbour(names, self.dial.number, key != "up")
            case "f":
                self.chooser = Chooser(
                    "who calls", self.stage.callers, self._set_caller, first=self.dial.caller
                )
            case " " | "+":
                self.session.wait(seconds=BETWEEN_CALLS[key])
            case _:
                self.message = "this key does nothing here"

    def _set_caller(self, choice: Choice) -> None:
        self.dial.caller = choice.name

    # In a call

    def _in_call(self, key: str) -> None:
        session = self.session
        match key:
            case _ if session.state == "ended":
                if key == "enter":
                    self.at_rest = True
            case " " if self._clock() < self._look:
                pass
            case " ":
                session.wait()
            case "h":
                session.hang_up()
            case "p":
                self._ask_for_pin()
            case "m":
                session.speak(SECONDS_TO_SPEAK)
            case "x":
                session.leaves(self._whose())
            case "tab" | "back-tab":
                self._select_next(-1 if key == "back-tab" else 1)
            case _ if key in ACTS:
                session.does(self._whose(), ACTS[key])
            case _ if key in "0123456789*#":
                self._digit(key)
            case _ if len(key) == 1 and key.isupper():
                self._select_by_initial(key)
            case _:
                self.message = "this key does nothing here"

    def _digit(self, key: str) -> None:
        after = self._after(self.selected)
        if self.speaking and self.session.asked(self.selected):
            self._stopped = self.position
        self.session.key(key, self.selected, after=after)

    def _after(self, who: str | None) -> float | None:
        """Seconds from the beginning of the prompt to now; None once it was heard to its end."""
        asked = self.session.asked(who)
        if asked is None or not self.unsaid:
            return None
        return max(self.position - beginning(self.sentences, asked.began), 0.0)

    def _ask_for_pin(self) -> None:
        if self.session.live:
            raise OutOfTurn("this telephone is live: type the PIN, nobody sees it")
        if self.session.asked() is None:
            raise OutOfTurn(f"no PIN is asked: {self.session.situation()}")
        nobody = Choice(NOBODY, "a PIN that nobody has")
        self.chooser = Chooser(
            "the PIN of", (*self.stage.customers, nobody), self._key_in_pin, first=self.dial.caller
        )

    def _key_in_pin(self, choice: Choice) -> None:
        after = self._after(None)
        if choice.name == NOBODY:
            self.session.wrong_pin(after=after)
        else:
            self.session.pin(choice.name, after=after)

    # Whose phone

    def _active(self) -> list[str]:
        line = self.session.on_the_line
        return [line] if line else self.session.ringing

    def _whose(self) -> str:
        """The phone that a technician's key is for: the selected one, else the first that is active."""
        active = self._active()
        if self.selected is not None:
            return self.selected
        if not active:
            raise OutOfTurn(f"no phone rings: {self.session.situation()}")
        return active[0]

    def _select_next(self, step: int) -> None:
        ring: list[str | None] = [None, *self._active()]
        place = ring.index(self.selected) if self.selected in ring else 0
        self.selected = ring[(place + step) % len(ring)]

    def _select_by_initial(self, key: str) -> None:
        found: list[Person] = [
            phone.person for phone in self.phones if phone.person.name.upper().startswith(key)
        ]
        if not found:
            raise OutOfTurn(f"nobody's name begins with {key}")
        keys = [person.key for person in found]
        after = keys.index(self.selected) + 1 if self.selected in keys else 0
        self.selected = keys[after % len(keys)]

    # Afterwards

    def _settle(self) -> None:
        """After a move: new sentences are on their way, and the keys go where somebody is needed."""
        session = self.session
        if session.moves == self._moves:
            return
        self._moves = session.moves
        self.sentences = laid_out(session.fresh)
        self._began, self._stopped = self._clock(), None
        active = self._active()
        self.selected = active[0] if active else None
        if session.state == "ended" and session.call is not None and not self.at_rest:
            self.summary = summary.of_call(self.stage.database, session.call.sid)


def _neighbour(names: list[str], name: str, forward: bool) -> str:
    place = names.index(name) if name in names else -1 if forward else 0
    return names[(place + (1 if forward else -1)) % len(names)]


def caller_title(stage: Stage, name: str) -> str:
    """How a caller is shown."""
    known = next((choice.title for choice in stage.callers if choice.name == name), name)
    return "withheld number" if name == WITHHELD else known
