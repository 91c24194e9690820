"""`ivr init` asks at a terminal: what is answered is checked as the configuration is, and nothing is written
before somebody has agreed.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import stat
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from making import ACCOUNT, EXAMPLE, ROOT, TOKEN
from terminals import opened, seated

from console import first_configuration
from console.commands import init, init_questions, ivr
from console.commands.common import Refused
from console.commands.init_questions import Stopped, ask
from console.first_configuration import Answers, Line, put, shipped
from console.settings import Configuration, understood

SHIPPED = EXAMPLE.read_text(encoding="utf-8")
FILE = Path("config.toml")
PATIENCE = 60  # seconds after which a test gives up; nothing takes that long
AGAIN = 5  # seconds after which somebody presses a key again


def comments(text: str) -> list[str]:
    """What explains; a key that is only shown in a comment may come into force."""
    return [line for line in text.splitlines() if re.match("# (?![a-z_]+ = )", line)]


def read(text: str) -> Configuration:
    return understood(text, FILE, {})


# -- the file -------------------------------------------------------------------------------------


def test_what_is_kept_changes_nothing() -> None:
    assert put(SHIPPED, shipped(SHIPPED)) == SHIPPED


OURS = Answers(
    public_url="https://ivr.example.net",
    name='Elektro "Blitz" \\1 & Söhne',
    time_zone="Europe/Berlin",
    languages=("de", "it", "en"),
    holidays="DE/BY",
    countries=("DE", "AT"),
    lines=(Line("+498912345670", "München", ("+498912345671", "+498912345672")),),
    admins=("anna@example.net", "b@example.net"),
    account_sid=ACCOUNT,
    auth_token=TOKEN,
)


@pytest.mark.parametrize("lines", [1, 2, 5])
def test_each_answer_is_in_its_place_and_every_comment_too(lines: int) -> None:
    more = [Line(f"+49891234568{place}", f"Linie {place}") for place in range(1, lines)]
    text = put(SHIPPED, replace(OURS, lines=(*OURS.lines, *more)))
    made = read(text)
    assert (made.service.public_url, made.service.name) == (OURS.public_url, OURS.name)
    assert (made.service.time_zone, made.service.languages) == ("Europe/Berlin", ["de", "it", "en"])
    assert (made.hours.holidays, made.ringing.countries) == ("DE/BY", ["DE", "AT"])
    assert (made.notices.admins, made.twilio.account_sid) == (list(OURS.admins), ACCOUNT)
    assert [each.get_secret_value() for each in made.twilio.auth_tokens] == [TOKEN]
    assert [(each.number, each.name) for each in made.number] == [
        (each.number, each.name) for each in (*OURS.lines, *more)
    ]
    assert made.number[0].office == list(OURS.lines[0].office)
    assert {(each.language, each.holidays, each.rota) for each in made.number} == {("de", "DE/BY", "duty")}
    assert comments(text) == comments(SHIPPED)
    for key in ("public_url", "account_sid", "auth_tokens", "api_base"):
        assert len(re.findall(rf"\b{key}\b", text)) == 1
    assert len(re.findall(r"(?m)^listen = ", text)) == 2


# -- the questions --------------------------------------------------------------------------------


class Scripted:
    """Somebody who answers in this order, then keeps what is proposed. `asked` and `said`: what he saw."""

    def __init__(self, *answers: str, agrees: bool = True) -> None:
        self.answers, self.agrees = list(answers), agrees
        self.asked: list[str] = []
        self.said: list[str] = []

    def say(self, line: str = "") -> None:
        self.said.append(line)

    def ask(self, question: str, default: str, *, hidden: bool = False) -> str:
        assert hidden is ("token" in question)
        self.asked.append(question)
        return (self.answers.pop(0) if self.answers else "") or default

    def agreed(self, question: str) -> bool:
        return self.agrees


@pytest.fixture(autouse=True)
def _looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has found out about a text, the next need not find out again."""
    monkeypatch.setattr(init_questions, "mistakes", _mistakes)


_mistakes = cache(first_configuration.mistakes)


def answered(*answers: str) -> tuple[Configuration, Scripted]:
    somebody = Scripted(*answers)
    return read(ask(somebody, SHIPPED, FILE)), somebody


def test_enter_keeps_everything() -> None:
    somebody = Scripted()
    assert ask(somebody, SHIPPED, FILE) == SHIPPED
    assert sum("that customers call" in each for each in somebody.asked) == 4
    assert not any("token" in each for each in somebody.asked)


# Which question it is, counted from the first; what is typed; what is said of it.
COMPANY, ADDRESS, ZONE, LANGUAGE, HOLIDAYS, COUNTRIES, NUMBER, NAME, OFFICE = range(9)
SECOND, ADMINS, ACCOUNT_SID = 9, 10, 11
BAD = [
    (COMPANY, "x" * 101, "service.name"),
    (COMPANY, "a\x07b", "expected characters that can be printed"),
    (COMPANY, "a\x1b[2Jb", "expected characters that can be printed"),
    (ADDRESS, "ivr.example.net", "service.public_url: expected an address such as https://ivr.example.net"),
    (ADDRESS, "https://ivr.example.net/voice", "without a path"),
    (ADDRESS, "https://u:p@ivr.example.net", "service.public_url"),
    (ZONE, "Rome", "expected a time zone such as Europe/Rome"),
    (ZONE, "../../etc/passwd", "expected a time zone such as Europe/Rome"),
    (LANGUAGE, "fr", "expected some of it, en, de; got fr"),
    (HOLIDAYS, "Atlantis", "hours.holidays"),
    (COUNTRIES, "Italy", "expected ISO country codes"),
    (NUMBER, "trento", "not a telephone number"),
    (NUMBER, "-", "not a telephone number"),
    (NUMBER, "+39", "number.0.number"),
    (NUMBER, "899123456", "neither an ordinary mobile nor a fixed number"),
    (NAME, "x" * 201, "number.0.name"),
    (OFFICE, "0461825060", "number.0.office: +390461825060 is one of our own numbers: that would go round"),
    (OFFICE, "+15551234567", "number.0.office"),
    (OFFICE, "+390461000001, 118", "not a telephone number"),
    (SECOND, "0461825060", "a number stands more than once"),
    (ADMINS, "anna", "notices.admins: expected e-mail addresses"),
    (ACCOUNT_SID, "AC123", "twilio.account_sid"),
    (ACCOUNT_SID, TOKEN, "twilio.account_sid"),
]


@pytest.mark.parametrize(("question", "typed", "said"), BAD)
def test_a_bad_answer_is_told_at_once_and_asked_again(question: int, typed: str, said: str) -> None:
    # With one number, so that each question has its place.
    before = [""] * question
    if question > SECOND:
        before[SECOND] = "-"
    somebody = Scripted(*before, typed)
    made = ask(somebody, SHIPPED, FILE)
    assert somebody.asked[question] == somebody.asked[question + 1]
    (told,) = [line for line in somebody.said if said in line]
    assert somebody.said.index(told) < len(somebody.said) - 5
    kept = shipped(SHIPPED)
    assert made == put(SHIPPED, replace(kept, lines=kept.lines[:1] if question > SECOND else kept.lines))


def test_a_bad_token_is_not_repeated() -> None:
    answers = ["", "", "", "", "", "", "", "", "", "-", "", ACCOUNT]
    made, somebody = answered(*answers, "hunter2", "aaaaaaaaaaaaaaaaaaaaaaaa", TOKEN)
    assert sum("token" in each for each in somebody.asked) == 3
    told = "\n".join(somebody.said)
    assert "expected the account's auth token as Twilio shows it" in told
    assert "given, not shown" in told
    assert not any(each in told for each in ("hunter2", "aaaaaaaa", TOKEN))
    assert [each.get_secret_value() for each in made.twilio.auth_tokens] == [TOKEN]


def test_numbers_of_ones_own_are_followed_by_ones_own() -> None:
    """No number and no office of somebody else's is kept by mistake: a stranger would be rung."""
    typed = [
        "Blitz",
        "",
        "",
        "",
        "",
        "",
        "0461 98 76 54",
        "",
        "",
        "+39 0465/98.76.54",
        "Tione",
        "0465 987655",
    ]
    made, somebody = answered(*typed)
    assert [(each.number, each.name, each.office) for each in made.number] == [
        ("+390461987654", "Line 1", []),
        ("+390465987654", "Tione", ["+390465987655"]),
    ]
    assert "  number          +390461987654  Line 1, office none" in somebody.said


def test_in_another_country() -> None:
    typed = ["Blitz", "", "Europe/Berlin", "de", "DE/BY", "de, at", "089 12345670", "", "089 12345671"]
    made, somebody = answered(*typed)
    assert not [line for line in somebody.said if "number" in line and ":" in line]
    assert (made.ringing.countries, made.hours.holidays) == (["DE", "AT"], "DE/BY")
    assert [(each.number, each.office, each.language) for each in made.number] == [
        ("+498912345670", ["+498912345671"], "de")
    ]


def test_what_is_not_agreed_to_is_not_written() -> None:
    with pytest.raises(Stopped, match="not agreed to"):
        ask(Scripted(agrees=False), SHIPPED, FILE)


def test_nobody_answers_for_nothing(tmp_path: Path) -> None:
    """What cannot be written is said before the first question."""
    there = tmp_path / "config.toml"
    there.write_text("")
    for path, why in ((there, "exists already"), (there / "place" / "config.toml", "not yours to write")):
        with pytest.raises(Refused, match=why):
            init._may_be_written(path)
    init._may_be_written(tmp_path / "new" / "place" / "config.toml")


# -- a real terminal ------------------------------------------------------------------------------


class Seat:
    """`ivr init` at a pseudo-terminal of its own, and somebody who sits at it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen, self.closed = folder, "", False
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.terminal, its = opened()
        command = [sys.executable, "-m", "console.commands", "init"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
        environment.pop("IVR_CONFIG", None)
        self.process = seated(its, command, cwd=folder, environment=environment)
        os.close(its)  # when the program ends nobody holds it, and the terminal is closed

    def wait_for(self, text: str) -> None:
        """Until the terminal shows it."""
        limit = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < limit, self.seen
            assert self._read(), self.seen

    def _read(self, patience: float = PATIENCE) -> bool:
        """False when nothing more will come, or nothing came for `patience` seconds."""
        if not select.select([self.terminal], [], [], patience)[0]:
            return False
        try:
            got = os.read(self.terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            got = b""
        self.seen += self._decoder.decode(got)
        self.closed = not got
        return bool(got)

    def type(self, question: str, answer: str) -> None:
        """Answer the question that is now asked."""
        self.wait_for(question)
        self.seen = self.seen.partition(question)[2]
        os.write(self.terminal, answer.encode())

    def stop(self, question: str, key: str) -> int:
        """Its exit code when `key` is pressed at `question`: once more if nothing comes of it.

        An interrupt between the question's last letter and the beginning of the wait for an answer
        is seen by Python at the next key only; whoever sits there presses it again.
        """
        self.type(question, key)
        limit = time.monotonic() + PATIENCE
        while not self.closed and time.monotonic() < limit:
            if self._read(AGAIN) or self.closed:
                continue
            os.write(self.terminal, key.encode())
        return self.end()

    def end(self) -> int:
        """Its exit code; `seen` is then everything."""
        while not self.closed and self._read():
            pass
        assert self.closed, self.seen
        return self.process.wait(PATIENCE)

    def leave(self) -> None:
        os.close(self.terminal)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def seats() -> Iterator[list[Seat]]:
    taken: list[Seat] = []
    yield taken
    for seat in taken:
        seat.leave()


def test_somebody_sets_it_up(seats: list[Seat], tmp_path: Path) -> None:
    seat = Seat(tmp_path)
    seats.append(seat)
    for question, answer in [
        ("Company", "Blitz\n"),
        ("Address", "ivr.example.net\n"),
        ("expected an address such as https://ivr.example.net", ""),
        ("Address", "https://ivr.example.net\n"),
        ("Time zone [Europe/Rome]:", "\n"),
        ("Language", "en\n"),
        ("holidays", "\n"),
        ("Countries", "\n"),
        ("Number 1", "0461 987654\n"),
        ("its name", "Trento\n"),
        ("its office", "0461 987655\n"),
        ("Number 2", "\n"),
        ("E-mail", "anna@example.net\n"),
        ("account SID", f"{ACCOUNT}\n"),
        ("auth token", f"{TOKEN}\n"),
        ("token       ", ""),
    ]:
        seat.type(question, answer)
    # Nothing is there before the yes, and what was typed is nowhere on the screen.
    seat.wait_for("[y/n]")
    assert list(tmp_path.iterdir()) == []
    seat.type("[y/n]", "y\n")
    code = seat.end()
    assert code == 0, seat.seen
    assert TOKEN not in seat.seen
    path = tmp_path / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text(encoding="utf-8")
    made = understood(text, path, {})
    assert made.missing_for_calls() == []
    assert (made.service.name, made.service.languages[0]) == ("Blitz", "en")
    assert comments(text) == comments(SHIPPED)
    assert "Now set" not in seat.seen
    next_ones = re.findall(r"(?m)^  (ivr [a-z.]+(?: [a-z.]+)*) +#", seat.seen.replace("\r", ""))
    assert next_ones == ["ivr rota apply rota.toml", "ivr doctor", "ivr serve"]
    assert (tmp_path / "ivr.db").exists()


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_whoever_stops_it_has_changed_nothing(key: str, seats: list[Seat], tmp_path: Path) -> None:
    seat = Seat(tmp_path)
    seats.append(seat)
    seat.type("Company", "\n")
    # When all of the question is there somebody reads: a key before would mean something else.
    assert seat.stop("set later): ", key) == 1
    assert "stopped: nothing is written" in seat.seen
    assert list(tmp_path.iterdir()) == []


def typed(folder: Path, text: str, *arguments: str) -> Result:
    """What comes of it where a terminal is there, by all that the program can tell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(init, "somebody_is_there", lambda: True)
        path = str(folder / "config.toml")
        return CliRunner().invoke(ivr, ["--config", path, "init", *arguments], input=text)


def test_whoever_says_no_has_changed_nothing(tmp_path: Path) -> None:
    done = typed(tmp_path, "\n" * 18 + "n\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith("ivr: not agreed to: nothing is written\n")
    assert list(tmp_path.iterdir()) == []


def test_with_no_questions_none_is_asked(tmp_path: Path) -> None:
    done = typed(tmp_path, "", "--no-questions", "--data", str(tmp_path / "var"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Now set service.public_url, twilio.account_sid and twilio.auth_tokens in it." in done.stdout
    made = tomllib.loads((tmp_path / "config.toml").read_text(encoding="utf-8"))
    assert made["service"]["state"] == str(tmp_path / "var")
    assert (tmp_path / "var" / "ivr.db").exists()
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700


# -- without one ----------------------------------------------------------------------------------


def test_without_a_terminal_it_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    done = CliRunner().invoke(ivr, ["--config", str(path), "init"], input="Blitz\n" * 30)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{path} is written, readable by you alone, and the database is ready.",
        "Now set service.public_url, twilio.account_sid and twilio.auth_tokens in it.",
        "Keep a copy of [pins] peppers and salt elsewhere: without them no PIN works.",
        "And of [backup] sealing_keys: without them no backup can be read.",
        "`ivr doctor` says what is still missing before the first night.",
    ]
    text = path.read_text(encoding="utf-8")
    secret = re.compile(r"(?m)^(keys|signing_key|peppers|salt|sealing_keys) = .*$")
    assert secret.sub("", text) == secret.sub("", SHIPPED)


@pytest.mark.parametrize("name", ["a?b", "a#b?mode=ro"])
def test_a_folder_that_no_address_can_name_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.toml"
    done = CliRunner().invoke(ivr, ["--config", str(path), "init", "--data", str(tmp_path / name)])
    assert (done.exit_code, path.exists()) == (1, False)
    assert "choose a plainer name" in done.stderr


def test_the_shipped_file_is_found() -> None:
    assert first_configuration.example_path() == EXAMPLE
