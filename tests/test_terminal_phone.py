"""The telephone in the terminal: the session, its commands from a pipe, the keys, the whole screen."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from making import EXAMPLE, NIGHT, ROME, ROOT, SECRETS, with_lines
from making import configuration as made_configuration
from rich.console import Console
from terminals import opened, seated
from werkzeug.serving import make_server

from console.commands import ivr
from console.demonstration import cast
from console.house import open_house, pin_index
from console.phone import OutOfTurn
from console.phone.callfile import UNKNOWN, WITHHELD
from console.phone.events import Heard, Pressed
from console.processes.doors import webhook_app
from console.rehearsing import summary
from console.rehearsing.orders import NotUnderstood, obey
from console.rehearsing.pace import laid_out
from console.rehearsing.phones import on_the_table
from console.rehearsing.rehearsal import Rehearsal
from console.rehearsing.session import Session
from console.rehearsing.stage import Stage, rehearsed
from console.settings import load
from console.terminal.hands import Hands
from console.terminal.keyboard import decoded
from console.terminal.screen import draw
from console.terminal.speech import Speaker
from pins import registry
from storage import schema

PATIENCE = 60  # seconds after which a test gives up; nothing takes that long


@pytest.fixture
def rehearsal(stage: Callable[..., Rehearsal]) -> Rehearsal:
    return stage(at=NIGHT)


@pytest.fixture
def set_up(rehearsal: Rehearsal) -> Stage:
    return rehearsed(rehearsal)


@pytest.fixture
def session(set_up: Stage) -> Session:
    return set_up.session


def until_it_rings(session: Session) -> str:
    """Acme calls and states P1+; returns whose phone rings."""
    session.dial("acme", "trento")
    session.pin("acme")
    session.press("1")
    session.wait()
    assert session.state == "ringing"
    return session.ringing[0]


# -- the session -------------------------------------------------------------------------------


def test_a_call_by_hand(session: Session, rehearsal: Rehearsal) -> None:
    first = until_it_rings(session)
    session.does(first, "does not answer")
    session.wait()
    second = session.ringing[0]
    assert second != first
    session.does(second, "answers")
    assert session.situation() == f"{second} hears who is calling"
    session.key("1", second)
    assert session.state == "bridged"
    began = session.now
    session.wait()
    session.wait(seconds=30)
    assert session.now - began == timedelta(seconds=90)
    session.leaves(second)
    assert session.state == "ended"
    assert rehearsal.fact("outcome connected") is None
    assert rehearsal.fact(f"{second}'s result is connected") is None


@pytest.mark.parametrize("by_key", [True, False], ids=["key by key", "at once"])
def test_a_typed_pin_is_never_shown(session: Session, by_key: bool) -> None:
    pin = session.cast.pin("acme")
    session.dial(UNKNOWN, "trento")
    if by_key:
        for place, key in enumerate(pin, start=1):
            session.key(key)
            assert session.pad == ("•" * place if place < len(pin) else "")
            assert pin[0] not in repr(session)
    else:
        session.press(f"{pin}#")
    keyed = [event.keys for event in session.events if isinstance(event, Pressed)]
    assert keyed == ["PIN of acme"]
    assert pin not in repr(session.exchange.events)
    assert any("Acme" in text for text in session.call.heard())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("keys", "live", "label"),
    [
        ("0#", False, "0#"),
        ("123#", False, "123#"),
        ("12345#", False, "5 digits"),
        ("12345678", False, "a wrong PIN"),
        ("9#", True, "9#"),
        ("12#", True, "2 digits"),
        ("12345678", True, "8 digits"),
    ],
)
def test_what_is_recorded_of_keys(rehearsal: Rehearsal, keys: str, live: bool, label: str) -> None:
    session = Session(rehearsal.exchange, rehearsal.cast(), live=live)
    session.dial(UNKNOWN, "trento")
    for key in keys:
        session.key(key)
    assert [e.keys for e in session.events if isinstance(e, Pressed)] == [label]


def test_half_a_pin_and_silence_is_half_a_pin(session: Session) -> None:
    session.dial(UNKNOWN, "trento")
    session.key("1")
    session.key("2")
    session.wait()
    assert [type(event).__name__ for event in session.fresh][:2] == ["Waited", "Requested"]
    assert session.pad == ""


def test_a_key_cuts_the_prompt_off(session: Session) -> None:
    session.dial(UNKNOWN, "trento")
    session.pin("acme")
    whole = [event.text for event in session.fresh if isinstance(event, Heard)]
    session.key("4", after=3)
    assert session.cut
    assert session.cut[-1].text.endswith(" …")
    assert session.cut[-1].text not in whole
    assert session.fresh
    assert isinstance(session.fresh[0], Pressed)


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (lambda s, who: s.dial("acme", "trento"), "hang up first"),
        (lambda s, who: s.press("1"), "nobody listens"),
        (lambda s, who: s.pin("acme"), "no PIN is asked"),
        (lambda s, who: s.speak(5), "nothing records"),
        (lambda s, who: s.leaves(who), "is not on the line"),
        (lambda s, who: s.press("1", who), "is not on the line"),
        (lambda s, who: s.does("office", "answers"), "does not ring"),
        (lambda s, who: s.wait(seconds=5), "the telephone itself decides"),
    ],
)
def test_what_is_not_possible_changes_nothing(
    session: Session, move: Callable[[Session, str], None], why: str
) -> None:
    who = until_it_rings(session)
    before = (session.moves, session.fresh, list(session.exchange.events), session.now)
    with pytest.raises(OutOfTurn, match=why):
        move(session, who)
    assert before == (session.moves, session.fresh, list(session.exchange.events), session.now)


def test_a_message_is_spoken_bit_by_bit(session: Session, rehearsal: Rehearsal) -> None:
    session.dial(UNKNOWN, "trento")
    session.press("0#")
    session.press("1")
    assert session.state == "recording"
    session.speak(10)
    session.speak(5)
    with pytest.raises(OutOfTurn):
        session.key("5")
    session.key("#")
    assert rehearsal.fact("a message of 15 s") is None


def test_after_a_call_another_one(session: Session) -> None:
    session.dial(WITHHELD, "trento")
    session.hang_up()
    session.wait(seconds=3600)
    assert session.now - NIGHT > timedelta(hours=1)
    session.dial("mele", "tione")
    assert session.going_on


def test_the_phones_on_the_table(set_up: Stage) -> None:
    session = set_up.session

    def looks() -> dict[str, tuple[str, str]]:
        return {p.person.key: (p.state, p.note) for p in on_the_table(set_up.people, session.events)}

    first = until_it_rings(session)
    assert looks() == {
        key: ("ringing", "") if key == first else ("quiet", "") for key in ("anna", "bruno", "carla", "dario")
    }
    session.does(first, "declines")
    assert looks()[first] == ("over", "passed")
    session.does("dario", "voicemail")
    assert looks()["dario"] == ("over", "voicemail")
    session.wait()
    session.does(first, "answers")
    assert looks()[first] == ("listening", "")
    session.press("1", first)
    assert looks()[first] == ("connected", "")
    session.wait(seconds=65)
    session.leaves(first)
    assert looks()[first] == ("over", "talked 1:05")


# -- commands --------------------------------------------------------------------------------------


def order(set_up: Stage, text: str) -> None:
    obey(set_up, text, caller="acme", number="trento")


@pytest.mark.parametrize("text", ["gibberish", "anna", "anna sings", "99x", "12345678 anna", "wait ever"])
def test_a_slip_places_no_call_and_is_not_quoted(set_up: Stage, text: str) -> None:
    with pytest.raises(NotUnderstood) as slip:
        order(set_up, text)
    assert set_up.session.state == "idle"
    assert text not in str(slip.value)


@pytest.mark.parametrize("text", ["", "# a comment", "#a comment"])
def test_a_comment_does_nothing(set_up: Stage, text: str) -> None:
    order(set_up, text)
    assert set_up.session.state == "idle"


def test_a_lone_hash_is_a_key(set_up: Stage) -> None:
    order(set_up, "#")
    assert any(isinstance(event, Pressed) and event.keys == "#" for event in set_up.session.events)


def test_every_command(set_up: Stage, rehearsal: Rehearsal) -> None:
    for text in ("wait 2m", "call unknown tione", "p wrong", "p ACME at once", "1 at once", "wait"):
        order(set_up, text)
    first = set_up.session.ringing[0]
    order(set_up, f"{first} busy")
    order(set_up, "wait")
    for text in ("dario answers", "dario waits", "dario 9", "dario hangs up"):
        order(set_up, text)
    while set_up.session.state == "gathering":
        order(set_up, "wait")
    order(set_up, f"{first} unreachable")
    while set_up.session.state in ("gathering", "ringing"):
        order(set_up, "wait")
    order(set_up, "speak 12")
    order(set_up, "hangup")
    assert rehearsal.fact("outcome nobody-answered") is None
    assert rehearsal.fact("a message of 12 s") is None


# -- the command, from a pipe ------------------------------------------------------------------------

A_CALL = "p acme\n1\nwait\nanna no answer\nwait\ndario answers\ndario 1\nwait 4m\ndario hangs up\n"


def phone(*arguments: str | Path, typed: str | None = None, config: Path = Path("none.toml")) -> Result:
    given = ["--config", str(config), "phone", *map(str, arguments)]
    return CliRunner().invoke(ivr, given, input=typed, env={"IVR_CONFIG": None})


def test_a_piped_call_is_told_summed_up_and_saved(tmp_path: Path) -> None:
    saved = tmp_path / "by-hand.call"
    result = phone("--from", "acme", "--at", "2026-03-10T22:00", "--save", saved, typed=A_CALL)
    assert result.exit_code == 0, result.output
    assert "22:00:00  Acme calls Trento" in result.stdout
    assert "Dario and the caller are connected" in result.stdout
    assert re.search(r"^outcome +connected$", result.stdout, re.MULTILINE)
    assert re.search(r"^rung +anna: no-answer · dario: connected$", result.stdout, re.MULTILINE)
    assert not re.search(r"[0-9]{6,}", re.sub(r"call CA\w+", "", result.stdout))
    text = saved.read_text(encoding="utf-8")
    assert "> PIN acme" in text
    assert "* case P1+ is connected and not pursued" in text
    played = phone(saved)
    assert played.exit_code == 0, played.output
    assert phone("--save", saved, typed="").exit_code == 1
    assert saved.read_text(encoding="utf-8") == text


def test_the_end_of_the_input_hangs_up() -> None:
    result = phone("--at", "2026-03-10T22:00", typed="p acme\n")
    assert result.exit_code == 0
    assert "caller hangs up" in result.stdout
    assert re.search(r"^outcome +hung-up$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("p acme\nanna answers\n", "line 2: anna's phone does not ring"),
        ("\np nobody\n", "line 2: the cast has no PIN called nobody"),
        ("call acme\n12345678 please\n", "line 2: not understood"),
        ("wait 5m\nhello\n", "line 2: not understood"),
    ],
)
def test_a_line_that_cannot_be_done_is_named(typed: str, why: str) -> None:
    result = phone("--at", "2026-03-10T22:00", typed=typed)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"ivr: {why}")
    assert "12345678" not in result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--from", "nobody"], 1),
        (["--number", "rome"], 1),
        (["--live", "--at", "2026-03-10T22:00"], 2),
        (["--live", "--save", "x.call"], 2),
        ([str(EXAMPLE), "--live"], 2),
        (["--live"], 1),
    ],
)
def test_what_is_refused_before_anything_is_dialled(arguments: list[str], code: int) -> None:
    result = phone(*arguments, typed="")
    assert result.exit_code == code
    assert result.stdout == ""


def test_nobody_called() -> None:
    result = phone(typed="")
    assert (result.exit_code, result.stdout) == (0, "Nobody called.\n")


def test_a_caller_and_a_number_may_be_preset() -> None:
    given = ("--from", "withheld", "--number", "+390465324963", "--at", "2026-03-10T22:00")
    assert "a withheld number calls Tione" in phone(*given, typed="hangup\n").stdout


# -- the running service ---------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A configuration whose service runs, at an hour at which a PIN is asked; and ACME's real PIN."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    made_configuration(tmp_path)
    path = tmp_path / "config.toml"

    # The configuration names the port, which is known only once it is taken.
    def forward(environment: dict[str, object], start: Callable[..., object]) -> object:
        return app(environment, start)

    server = make_server("127.0.0.1", 0, forward, threaded=True)
    every_day = '["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]'
    path.write_text(
        with_lines(
            path.read_text(encoding="utf-8"), listen=f'"127.0.0.1:{server.port}"', closed_days=every_day
        ),
        encoding="utf-8",
    )
    configuration = load(path, SECRETS)
    house = open_house(configuration)
    schema.migrate(house.database)
    cast.enter(house, "test", NIGHT)
    new = registry.draw(pin_index(configuration), 8)
    with house.database.write() as connection:
        registry.issue(connection, "test", NIGHT, "ACME", new)
    app = webhook_app(house)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield path, new.pin
    server.shutdown()
    thread.join()
    server.server_close()
    house.close()


def test_the_running_service_is_phoned_with_the_real_pin(service: tuple[Path, str]) -> None:
    path, pin = service
    rung = phone("--live", "--from", "acme", typed=f"{pin}\n1\nwait\n", config=path)
    first = re.search(r"(\w+)'s phone rings", rung.stdout)
    assert first, rung.output
    # The caller hung up while it rang: the same problem again, and this time it is taken.
    who = first[1].lower()
    typed = f"{pin}\n1\n1\nwait\n{who} answers\n{who} 1\n{who} hangs up\nhangup\n"
    result = phone("--live", "--from", "acme", typed=typed, config=path)
    assert result.exit_code == 0, result.output
    assert re.search(r"^outcome +connected$", result.stdout, re.MULTILINE)
    assert pin not in rung.output + result.output
    named = phone("--live", "--from", "acme", typed="p acme\n", config=path)
    assert named.exit_code == 1
    assert "type it" in named.stderr


def test_a_service_that_does_not_run_is_no_crash(
    service: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("http.client.HTTPConnection.request", refuse)
    result = phone("--live", typed="call\n", config=service[0])
    assert result.exit_code == 0
    assert "error 11205" in result.stdout
    assert "The journal knows nothing of this call." in result.stdout


# -- the keys --------------------------------------------------------------------------------------


class Watch:
    """A clock for the keyboard's pace."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def hands(set_up: Stage, watch: Watch) -> Hands:
    return Hands(set_up, caller="acme", number="trento", clock=watch)


def type_in(hands: Hands, *keys: str) -> None:
    for key in keys:
        hands.press(key)


def test_a_call_under_the_hands(hands: Hands, watch: Watch) -> None:
    type_in(hands, "enter", "p")
    assert hands.chooser
    assert hands.chooser.marked
    assert hands.chooser.marked.name == "acme"
    type_in(hands, "enter", "1")
    assert hands.session.state == "gathering"
    hands.tick()
    assert hands.session.state == "gathering"
    watch.seconds += 60  # the case was told, and the pause after it passes by itself
    hands.tick()
    assert hands.session.state == "ringing"
    first = hands.selected
    assert first == hands.session.ringing[0]
    hands.press(" ")  # too soon after that: it was meant for the pause
    assert hands.session.ringing == [first]
    watch.seconds += 1
    type_in(hands, "d")
    assert (hands.selected, hands.session.ringing) == ("dario", ["dario"])
    type_in(hands, "a", "1", " ", " ", "x")
    assert hands.session.state == "ended"
    assert hands.summary
    assert hands.summary.outcome == "connected"
    type_in(hands, "enter", "down", "q", "enter")
    assert hands.done
    assert not hands.session.going_on


def test_digits_go_to_the_phone_that_is_selected(hands: Hands) -> None:
    type_in(hands, "enter", "p", "enter", "1", " ")
    whose = hands.selected
    type_in(hands, "5")
    assert "is not on the line" in hands.message
    type_in(hands, "tab", "5")
    assert hands.selected is None
    assert "nobody listens" in hands.message
    type_in(hands, "tab")
    assert hands.selected == whose
    type_in(hands, "D")
    assert hands.selected == "dario"
    type_in(hands, "a")
    assert "dario's phone does not ring" in hands.message
    type_in(hands, "Z")
    assert "nobody's name" in hands.message


def test_a_key_stops_the_voice_where_it_is(hands: Hands, watch: Watch) -> None:
    type_in(hands, "enter")
    assert hands.speaking
    watch.seconds = 2.0
    type_in(hands, "1")
    assert not hands.speaking
    watch.seconds = 50.0
    assert hands.position == 2.0
    said = hands.sentences[0].said(hands.position)
    assert 0 < len(said) <= 2 * 14 + 1
    assert hands.sentences[0].heard.text.startswith(said + " ")


def test_the_chooser_finds_by_words(hands: Hands) -> None:
    type_in(hands, "f", *"sol")
    assert hands.chooser
    assert [choice.name for choice in hands.chooser.matching] == ["mele"]
    type_in(hands, "backspace", "backspace", "backspace", *"segan", "enter")
    assert hands.dial.caller == "baita"
    type_in(hands, "f", "escape", "right", "left", "left", "down", "up", "up")
    assert hands.dial.caller == "acme"
    assert hands.dial.number == "tione"


def test_time_passes_between_calls(hands: Hands) -> None:
    type_in(hands, " ", "+")
    assert hands.session.now - NIGHT == timedelta(minutes=70)


def test_leaving_hangs_up(hands: Hands) -> None:
    type_in(hands, "enter", "q", "1")
    hands.leave()
    assert hands.session.state == "ended"
    hands.leave()


def test_only_the_last_words_of_a_voicemail_call_are_said(set_up: Stage) -> None:
    first = until_it_rings(set_up.session)
    set_up.session.does(first, "voicemail")
    assert {s.heard.party for s in laid_out(set_up.session.fresh)} == {"caller"}


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        (b"1p\r\t\x7f", ["1", "p", "enter", "tab", "backspace"]),
        (b"\x1b[A\x1bOB\x1b[Zx", ["up", "down", "back-tab", "x"]),
        (b"\x1b[5~\x1b[1;5Cq", ["q"]),
        (b"\x1b", ["escape"]),
        ("è#".encode(), ["è", "#"]),
        (b"\xff\x00\x01*", ["*"]),
    ],
)
def test_keys_by_name(raw: bytes, keys: list[str]) -> None:
    assert list(decoded(raw)) == keys


# -- the picture -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 35), (60, 20), (200, 60)])
def test_every_moment_fits_the_screen(hands: Hands, watch: Watch, width: int, height: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    pin = hands.session.cast.pin("acme")

    def seen() -> str:
        with console.capture() as capture:
            console.print(draw(hands, console, 1), end="")
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capture.get())
        assert len(text.splitlines()) <= height
        assert all(len(line) <= width for line in text.splitlines())
        assert pin not in text.replace(" ", "")
        return text

    assert "a call" in seen()
    type_in(hands, "enter", *pin[:-1])
    assert "• • •" in seen()
    type_in(hands, pin[-1])
    watch.seconds += 60
    assert "waits for one key" in seen()
    type_in(hands, "p")
    assert "the PIN of" in seen()
    type_in(hands, "escape", "1", " ")
    assert "rings" in seen()
    type_in(hands, "a")
    assert "Rossi hears" in seen()
    type_in(hands, "1", " ")
    watch.seconds += 60
    assert "1:00" in seen()
    type_in(hands, "h")
    watch.seconds += 60
    assert "connected" in seen()


# -- the voice ---------------------------------------------------------------------------------------


def program(folder: Path, script: str) -> str:
    file = folder / "espeak-ng"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    return str(file)


def until_silent(speaker: Speaker) -> None:
    deadline = time.monotonic() + PATIENCE
    while speaker.is_speaking:
        assert time.monotonic() < deadline
        speaker.go_on()
        select.select([], [], [], 0.01)


def test_the_voice_says_every_sentence_in_its_language(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with Speaker(program(tmp_path, f'echo "$2 $(cat)" >> {said}')) as speaker:
        speaker.say([("Buongiorno.", "it-IT", True), ("Good evening.", "en-GB", False)])
        until_silent(speaker)
    assert said.read_text() == "it Buongiorno.\nen-gb Good evening.\n"


def test_a_voice_is_stopped_at_once(tmp_path: Path) -> None:
    with Speaker(program(tmp_path, "exec tail -f /dev/null")) as speaker:
        speaker.say([("Buongiorno.", "it-IT", True), ("Ancora.", "it-IT", True)])
        assert speaker.is_speaking
        speaker.stop()
        assert not speaker.is_speaking


@pytest.mark.parametrize("script", ["exit 1", None], ids=["fails", "is missing"])
def test_a_voice_that_fails_is_no_error(tmp_path: Path, script: str | None) -> None:
    where = program(tmp_path, script) if script else str(tmp_path / "none")
    with Speaker(where) as speaker:
        speaker.say([("Buongiorno.", "it-IT", True), ("Ancora.", "it-IT", True)])
        until_silent(speaker)
        speaker.say([("Ancora.", "it-IT", True)])
        assert not speaker.is_speaking


# -- the whole screen, in a terminal of its own ----------------------------------------------------------


class Terminal:
    """A terminal with `ivr phone` in it, 100 columns by 35 lines."""

    def __init__(self, *command: str) -> None:
        self._ours, self._its = opened(35, 100)
        self.before = termios.tcgetattr(self._its)
        self.everything = ""
        self._since = 0
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        environment.pop("IVR_CONFIG", None)
        self.process = seated(
            self._its,
            [sys.executable, *command, "--config", "none.toml", "phone", "--no-speak", *AT_NIGHT],
            cwd=ROOT,
            environment=environment,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._its)

    def _read(self, deadline: float) -> bool:
        if select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))[0]:
            self.everything += os.read(self._ours, 65536).decode("utf-8", errors="replace")
            return True
        return False

    def shows(self, text: str) -> None:
        """Waits until `text` was drawn after the latest key."""
        deadline = time.monotonic() + PATIENCE
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.everything[self._since :]):
            assert self._read(deadline), f"{text!r} was not drawn; the end is {self.everything[-3000:]}"

    def press(self, keys: str) -> None:
        self._since = len(self.everything)
        os.write(self._ours, keys.encode())

    def ends(self) -> int:
        """Waits for the end; returns the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(time.monotonic() + 0.05)
        while self._read(0):
            pass
        return self.process.wait(PATIENCE)

    def is_as_it_was(self) -> bool:
        same = termios.tcgetattr(self._its) == self.before
        return same and self.everything.rfind("\x1b[?1049l") > self.everything.rfind("\x1b[?1049h") >= 0


AT_NIGHT = ("--at", "2026-03-10T22:00")


def test_a_short_call_on_the_whole_screen() -> None:
    with Terminal("-m", "console.commands") as terminal:
        terminal.shows("on duty: Anna Rossi, then Dario Neri")
        assert not terminal.is_as_it_was()
        for key, shown in (
            ("\r", "keys"),
            ("p", "the PIN of"),
            ("\r", "waits for one key"),
            ("1", "hears"),
            (" ", "rings"),
            ("a", "Anna Rossi hears"),
            ("1", "connected"),
            (" ", "● 1:00"),
            ("x", "outcome"),
        ):
            terminal.press(key)
            terminal.shows(shown)
        terminal.press("q")
        assert terminal.ends() == 0
        assert terminal.is_as_it_was()
        after = terminal.everything.rpartition("\x1b[?1049l")[2]
        assert re.search(r"outcome +connected", after)


BROKEN = """
import console.terminal.hands as hands
from console.commands import main

def break_down(*_):
    raise RuntimeError("a bug")

hands.Hands._in_call = break_down
main()
"""


def test_after_a_bug_the_terminal_is_as_it_was() -> None:
    with Terminal("-c", BROKEN) as terminal:
        terminal.shows("on duty")
        terminal.press("\r")
        terminal.shows("hears")
        terminal.press("1")
        assert terminal.ends() == 1
        assert terminal.is_as_it_was()
        assert "RuntimeError: a bug" in terminal.everything.rpartition("\x1b[?1049l")[2]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)]
)
def test_after_a_signal_the_terminal_is_as_it_was(number: signal.Signals, code: int) -> None:
    with Terminal("-m", "console.commands") as terminal:
        terminal.shows("on duty")
        terminal.press("\r")
        terminal.shows("hears")
        terminal.process.send_signal(number)
        assert terminal.ends() == code
        assert terminal.is_as_it_was()


def test_a_summary_of_a_call_nobody_knows(set_up: Stage) -> None:
    assert summary.of_call(set_up.database, "CA" + "0" * 32) is None


def test_the_outlook_by_day_and_by_night(stage: Callable[..., Rehearsal]) -> None:
    night = rehearsed(stage(at=NIGHT))
    assert night.outlook("trento") == (
        "night: a PIN is asked until Wed 08:00",
        "on duty: Anna Rossi, then Dario Neri",
    )
    noon = rehearsed(stage(at=NIGHT.astimezone(ROME).replace(hour=10)))
    assert noon.outlook("trento")[0] == "open: the office is rung until 13:00"
