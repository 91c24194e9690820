"""Follows TwiML on one line, caller's or technician's: what is said, asked and keyed there."""

import io
import re
import wave
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from console.phone.document import Document, Verb
from console.phone.events import Event, Failed, Heard, Pressed, Waited

if TYPE_CHECKING:
    from console.phone.exchange import Exchange

CHARACTERS_A_SECOND = 14  # measured on neural voices reading Italian; Twilio documents no figure
SECONDS_A_RECORDING = 5.0  # of one that is no WAV file: the telephone does not decode it
SECONDS_A_KEY = 0.4
SECONDS_TO_REACT = 1.0
GATHER_TIMEOUT = 5  # Twilio: Gather, timeout, default 5 s
FOR_EVER = 1000  # Twilio: loop="0" repeats until the call ends
MOST_REDIRECTS = 10  # Twilio: error 11215 beyond
TOO_MANY_REDIRECTS = 11215
HTTP_FAILURE = 11200
NOT_AUDIO = 12300  # Twilio: invalid Content-Type


def seconds_of(sound: bytes) -> float:
    """How long it takes to play."""
    try:
        with wave.open(io.BytesIO(sound)) as file:
            return float(file.getnframes() / file.getframerate())
    except (wave.Error, EOFError):
        return SECONDS_A_RECORDING


class OutOfTurn(Exception):
    """Somebody did what the telephone does not allow at this moment."""


class Fault(Exception):
    """A document could not be had. `code` is Twilio's error code, `url` what was asked for."""

    def __init__(self, code: int, message: str, url: str) -> None:
        super().__init__(message)
        self.code = code
        self.url = url


@dataclass(slots=True)
class Gathering:
    """A Gather that waits for keys."""

    verb: Verb
    began: datetime
    prompt_ends: datetime
    # What the prompt says, each with the instant at which it has been said.
    prompt: list[tuple[Heard, datetime]]
    digits: str = field(default="", repr=False)

    @property
    def times_out(self) -> datetime:
        """Twilio: the time-out starts after the nested audio, and again at each key."""
        timeout = self.verb.get("timeout", str(GATHER_TIMEOUT))
        return self.prompt_ends + timedelta(seconds=GATHER_TIMEOUT if timeout == "auto" else int(timeout))


class Execution:
    """One line on which documents run. `events` is what happened on it, children included."""

    def __init__(self, exchange: "Exchange", party: str, sid: str) -> None:
        self.exchange = exchange
        self.party = party
        self.sid = sid
        self._address = ""
        self._todo: deque[Verb] = deque()
        self._gathering: Gathering | None = None
        self._kept = ""
        self._redirects = 0

    # What differs between a caller's line and a technician's

    def parameters(self) -> dict[str, str]:
        """What every request of this line carries."""
        raise NotImplementedError

    def note(self, event: Event) -> None:
        raise NotImplementedError

    def correct(self, noted: Heard, instead: Heard | None) -> None:
        """What was noted as it began was cut off: `instead` is what was really heard; None, nothing."""
        raise NotImplementedError

    def _document(self, url: str, parameters: Mapping[str, str]) -> Document:
        """Raises Fault."""
        raise NotImplementedError

    def _on_fault(self, fault: Fault) -> None:
        raise NotImplementedError

    def _execute_more(self, verb: Verb) -> None:
        """The verbs that only one kind of line knows, and Hangup."""
        raise NotImplementedError

    def _on_document_end(self) -> None:
        raise NotImplementedError

    def _is_busy(self) -> bool:
        """Whether the line waits for somebody, or is over."""
        return self._gathering is not None

    # What the party does

    def press(self, keys: str, *, label: str | None = None, after: float | None = None) -> None:
        """Presses `keys` (0-9, *, #), one every 0.4 s.

        `after`: seconds from the beginning of the prompt to the first key, which stops the prompt;
        without it the party listens to the end and reacts within a second. Keys beyond what a Gather
        takes are kept for the next Gather, as Twilio does. `label` is recorded instead of the keys;
        without it five digits or more are recorded as their number only. Raises OutOfTurn while
        nobody listens to keys, ValueError for what is not on a telephone.
        """
        if re.fullmatch(r"[0-9*#]+", keys) is None:
            raise ValueError("a telephone has the keys 0-9, * and #")
        gathering = self._gathering
        if gathering is None:
            self._press_unasked(keys, label)
            return
        self.exchange.begin_move()
        clock = self.exchange.clock
        if after is None:
            spare = (gathering.times_out - gathering.prompt_ends).total_seconds()
            clock.reach(gathering.prompt_ends + timedelta(seconds=min(SECONDS_TO_REACT, spare / 2)))
        else:
            clock.reach(min(gathering.began + timedelta(seconds=after), gathering.times_out))
        self._stop_prompt()
        self._note_keys(keys, label, stopped_prompt=clock.now() < gathering.prompt_ends)
        self._key_in(keys)
        self._run()

    def wait(self) -> None:
        """Stays silent until the present Gather times out. Raises OutOfTurn where none listens."""
        gathering = self._gathering
        if gathering is None:
            raise OutOfTurn(f"{self.party}: no Gather is waiting")
        self.exchange.begin_move()
        self.exchange.clock.reach(gathering.times_out)
        self._note_wait()
        self._gathered("")
        self._run()

    def _press_unasked(self, keys: str, label: str | None) -> None:
        raise OutOfTurn(f"{self.party}: nobody listens to keys now")

    def _note_wait(self) -> None:
        self.note(Waited(self.exchange.clock.now(), self.party))

    def _note_keys(self, keys: str, label: str | None, *, stopped_prompt: bool = False) -> None:
        digits = sum(key.isdigit() for key in keys)
        shown = label or (keys if digits < 5 else f"{digits} digits")
        self.note(
            Pressed(self.exchange.clock.now(), self.party, shown, stopped_prompt, labelled=shown != keys)
        )

    # What the document does

    def _load(self, url: str, more: Mapping[str, str] | None = None) -> None:
        """Asks `url`, relative to the present document, for the next one."""
        self._redirects = 0
        self._ask(url, more or {})

    def _ask(self, url: str, more: Mapping[str, str]) -> None:
        url = urljoin(self._address, url) if url else self._address
        self._todo.clear()
        try:
            if self._redirects > MOST_REDIRECTS:
                raise Fault(TOO_MANY_REDIRECTS, f"more than {MOST_REDIRECTS} redirects in a row", url)
            document = self._document(url, {**self.parameters(), **more})
        except Fault as fault:
            self._give_up(fault)
        else:
            self._address = url
            self._todo.extend(document.verbs)

    def _give_up(self, fault: Fault) -> None:
        self._todo.clear()
        self.note(Failed(self.exchange.clock.now(), fault.code, str(fault)))
        self._on_fault(fault)

    def _run(self) -> None:
        """Goes on until somebody is needed, or the line is over."""
        while not self._is_busy():
            if self._todo:
                self._execute(self._todo.popleft())
            else:
                self._on_document_end()

    def _execute(self, verb: Verb) -> None:
        if verb.get("method") == "GET":
            # Twilio would ask by GET, with every key in the address: no door here takes that.
            self._give_up(
                Fault(HTTP_FAILURE, f"<{verb.name} method=GET>: this telephone posts", self._address)
            )
            return
        match verb.name:
            case "Say" | "Play" | "Pause":
                at = self.exchange.clock.now()
                try:
                    length = self._length(verb)
                except Fault as fault:
                    self._give_up(fault)
                    return
                if heard := self._heard(verb, at):
                    self.note(heard)
                self.exchange.clock.forward(seconds=length)
            case "Gather":
                try:
                    self._gather(verb)
                except Fault as fault:
                    self._give_up(fault)
            case "Redirect":
                self._redirects += 1
                self._ask(verb.text, {})
            case _:
                self._execute_more(verb)

    def _heard(self, verb: Verb, at: datetime) -> Heard | None:
        """What the party hears of a verb that begins at `at`; None for a pause."""
        match verb.name:
            case "Say":
                language = verb.get("language", "en-US")
                return Heard(at, self.party, verb.text, language, verb.get("voice", "man"))
            case "Play":
                return Heard(at, self.party, f"[{verb.text or 'tones'}]", "", "")
            case _:
                return None

    def _length(self, verb: Verb) -> float:
        """Seconds it takes to say, to play, or to pause. Raises Fault if there is nothing to play."""
        times = int(verb.get("loop", "1")) or FOR_EVER
        match verb.name:
            case "Say":
                return times * len(verb.text) / CHARACTERS_A_SECOND
            case "Play":
                return times * (self.exchange.play(urljoin(self._address, verb.text)) if verb.text else 1.0)
            case _:
                return float(verb.get("length", "1"))  # Twilio: Pause, length, default 1 s

    def _gather(self, verb: Verb) -> None:
        """Raises Fault."""
        began = ends = self.exchange.clock.now()
        prompt: list[tuple[Heard, datetime]] = []
        for child in verb.children:
            heard, length = self._heard(child, ends), self._length(child)
            ends += timedelta(seconds=length)
            if heard:
                prompt.append((heard, ends))
                self.note(heard)
        self._gathering = Gathering(verb, began, ends, prompt)
        if self._kept:
            kept, self._kept = self._kept, ""
            self._stop_prompt()
            self._key_in(kept)

    def _stop_prompt(self) -> None:
        """Whatever the prompt would still have said from now on is not heard."""
        if self._gathering is None:
            return
        now = self.exchange.clock.now()
        for heard, ends in self._gathering.prompt:
            if now < ends:
                self.correct(heard, _until(now, heard))
        self._gathering.prompt = [(heard, ends) for heard, ends in self._gathering.prompt if ends <= now]

    def _key_in(self, keys: str) -> None:
        gathering = self._gathering
        assert gathering is not None
        finish = gathering.verb.get("finishOnKey", "#")
        wanted = int(gathering.verb.get("numDigits", "0"))
        for place, key in enumerate(keys, start=1):
            gathering.prompt_ends = self.exchange.clock.forward(seconds=SECONDS_A_KEY)
            if key == finish:
                self._gathered(keys[place:])
                return
            gathering.digits += key
            if len(gathering.digits) == wanted:
                self._gathered(keys[place:])
                return

    def _gathered(self, left_over: str) -> None:
        gathering, self._gathering = self._gathering, None
        assert gathering is not None
        self._kept = left_over if self.exchange.behaviour.keeps_keys else ""
        verb = gathering.verb
        if gathering.digits:
            self._load(verb.get("action"), {"Digits": gathering.digits, "msg": "Gather End"})
        elif verb.says_yes("actionOnEmptyResult"):
            empty = {"Digits": ""} if self.exchange.behaviour.sends_digits_when_empty else {}
            self._load(verb.get("action"), empty)
        # Twilio: without input the call falls through to the next verb.


def _until(now: datetime, heard: Heard) -> Heard | None:
    """As much of `heard` as was said by `now`, in whole words; None if that is not even one."""
    characters = int((now - heard.at).total_seconds() * CHARACTERS_A_SECOND)
    if heard.text.startswith("["):  # a recording: it has no words to count
        words = heard.text if characters > 0 else ""
    elif characters >= len(heard.text):  # said once at least, and cut as it was repeated
        words = heard.text
    else:
        words = heard.text[: max(characters, 0) + 1].rpartition(" ")[0]
    return replace(heard, text=f"{words} …") if words else None
