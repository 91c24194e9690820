"""One round: a real conversation is played, and before and after each of its requests others are sent.

A round of strangers sends what is not rightly signed: the conversation goes on as its file says, as if
nothing had been sent. A round of the believed sends what Twilio's token has signed: it may lead anywhere, but
not to a failure, nor to a telephone that may not be dialled.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from staging import on_stage
from whole import Ledger

from console.commands.phone import shipped
from console.phone import Behaviour, Exchange, Reply
from console.phone.door import NoReply, WsgiDoor
from console.phone.exchange import NeverSettles
from console.phone.execution import OutOfTurn
from console.phone.player import Mismatch
from console.public.keys import link_secret
from console.rehearsing.rehearsal import ACTOR, PUBLIC_URL, Rehearsal
from console.settings import Configuration
from fuzzing import judging, mutating
from fuzzing.asking import Answered, Asked, put
from fuzzing.mutating import Corpus, Genuine
from oncall.calendars import feeds
from oncall.cases import cases, links
from oncall.rota import roster
from pins import customers, throttle

CALLS = Path(__file__).parent.parent / "calls"
# Requests sent around each one of the conversation.
AROUND = 12
# What the conversations' own test adds to the language of their files, or needs other settings for.
_NOT_HERE = (
    *("# with:", "# assumes:", "* an error is logged", "* what he said has arrived"),
    *("* strangers flood us", " blocked\n", " is allowed\n", "* the database "),
)
_NOT_ASKED = ("* work ", "* no work ", "* a PIN was", "* the case is ")


@dataclass
class Report:
    """What one round came to."""

    name: str
    wrongs: list[str] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)


def play(seed: str, number: int, around: int = AROUND) -> Report:
    """Round `number` of `seed`. The same acts each time; keys, SIDs and what is sealed are drawn anew."""
    rng = random.Random(f"{seed}:{number}")
    strangers = number % 2 == 0
    file = rng.choice(conversations())
    kind = "strangers" if strangers else "the believed"
    report = Report(f"round {number}, {kind} around {file.stem}")
    with (
        judging.traces() as traces,
        on_stage(_configuration(), seed=rng.randrange(10**6), behaviour=Behaviour()) as rehearsal,
    ):
        door = BetweenDoor(rehearsal, rng, report, traces, strangers=strangers, around=around)
        try:
            rehearsal.exchange = door.exchange()
            _play(rehearsal, file)
            report.count["conversations to their end"] += 1
        except (Mismatch, NeverSettles, OutOfTurn, NoReply, LookupError) as other:
            # What was believed leads elsewhere; a stranger leads nowhere.
            if strangers:
                report.wrongs.append(f"the conversation went another way: {other}")
        finally:
            door.close()
    return report


@cache
def conversations() -> list[Path]:
    """The conversations that need nothing but the shipped configuration."""
    return [
        file
        for file in sorted(CALLS.glob("*.call"))
        if not any(each in file.read_text(encoding="utf-8") for each in _NOT_HERE)
    ]


@cache
def _configuration() -> Configuration:
    return shipped()


def _play(rehearsal: Rehearsal, file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    fact = rehearsal.fact

    def answer(asked: str) -> str | None:
        words = asked.split()
        if words == ["the", "PIN", "budget", "is", "spent"]:
            return _missed(rehearsal, "", throttle.BUDGET_HOUR)
        if words[1:2] == ["missed"]:
            return _missed(rehearsal, rehearsal.cast().phone(words[0]), int(words[2]))
        return fact(asked)

    rehearsal.fact = answer  # type: ignore[method-assign]
    rehearsal.play("\n".join(each for each in lines if not each.startswith(_NOT_ASKED)), file.name)


def _missed(rehearsal: Rehearsal, number: str, count: int) -> None:
    with rehearsal.house.database.write() as connection:
        for _ in range(count):
            throttle.missed(connection, rehearsal.clock.now(), number, throttle.Lane.SHARED)


class BetweenDoor:
    """Delivers what the telephone sends, and other things before and after it."""

    def __init__(
        self,
        rehearsal: Rehearsal,
        rng: random.Random,
        report: Report,
        traces: judging.Traces,
        *,
        strangers: bool,
        around: int,
    ) -> None:
        self._rehearsal, self._rng, self._report, self._traces = rehearsal, rng, report, traces
        self._strangers, self._around = strangers, around
        self._door = WsgiDoor(rehearsal.app)
        self._ledger = Ledger(rehearsal.house.database)
        self._corpus = Corpus(rehearsal.auth_token, PUBLIC_URL)
        self._dialable = frozenset(_may_be_dialled(rehearsal))
        self._linked = 0
        with rehearsal.house.database.write() as connection:
            at = rehearsal.clock.now()
            for whose in ({"technician": "anna"}, {"rota": "duty"}):
                token = feeds.issue(connection, ACTOR, at, **whose)  # type: ignore[arg-type]
                self._corpus.secret_paths.append(f"/cal/{token}.ics")

    def close(self) -> None:
        self._ledger.close()

    def exchange(self) -> Exchange:
        """The rehearsal's telephone network, before this door."""
        rehearsal = self._rehearsal
        before = rehearsal.exchange
        return Exchange(
            self,
            public_url=PUBLIC_URL,
            account_sid=rehearsal.account_sid,
            auth_token=rehearsal.auth_token,
            clock=rehearsal.clock,
            behaviour=before.behaviour,
            owned=rehearsal.configuration.our_numbers,
            rest=before.rest,
        )

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        """The genuine request, in the midst of others."""
        genuine = Genuine(url, form, headers)
        self._corpus.sent.append(genuine)
        if self._strangers:
            self._strange(genuine)
        reply = self._door.post(url, form, headers)
        self._give_links()
        if self._strangers:
            self._strange(genuine)
        else:
            self._believed(genuine)
        return reply

    def _strange(self, genuine: Genuine) -> None:
        for _ in range(self._around // 2):
            which = genuine if self._rng.random() < 0.7 else self._rng.choice(self._corpus.sent)
            self._send(mutating.stranger(self._rng, self._corpus, which), judging.of_stranger)

    def _believed(self, genuine: Genuine) -> None:
        def judge(*given: object) -> Iterator[str]:
            return judging.of_believed(*given, self._dialable)  # type: ignore[arg-type]

        for _ in range(self._around):
            which = genuine if self._rng.random() < 0.7 else self._rng.choice(self._corpus.sent)
            self._send(mutating.believed(self._rng, self._corpus, which), judge)

    def _send(self, asked: Asked, judge: Callable[..., Iterator[str]]) -> None:
        self._traces.taken()
        before = self._ledger.whole()
        try:
            answered = put(self._rehearsal.app, asked)
        except Exception as error:
            answered = Answered(500, {}, repr(error).encode())
        wrongs = [*judge(asked, answered, before, self._ledger.whole())]
        wrongs += [f"logged: {each}" for each in self._traces.taken()]
        self._report.count["requests"] += 1
        self._report.count[f"answered {answered.status}"] += 1
        self._report.wrongs += [f"{wrong}\n{asked.text()}" for wrong in wrongs]

    def _give_links(self) -> None:
        """A link of each new case: whoever has its address may look, and act with a right key."""
        with self._rehearsal.house.database.write() as connection:
            newest = cases.recent(connection, limit=1)
            if newest and newest[0].id > self._linked:
                self._linked = newest[0].id
                secret = link_secret(self._rehearsal.configuration)
                for whose in ("anna", None):
                    address = links.address(
                        connection, self._rehearsal.clock.now(), PUBLIC_URL, secret, newest[0].number, whose
                    )
                    self._corpus.secret_paths.append(address.removeprefix(PUBLIC_URL))


def _may_be_dialled(rehearsal: Rehearsal) -> Iterator[str]:
    """People of the rota, offices, numbers on customers' files; and the callers of the conversations, who
    are dialled once a right PIN was keyed and a technician has pressed his key.
    """
    for number in rehearsal.configuration.number:
        yield from number.office
    with rehearsal.house.database.read() as connection:
        for technician in roster.all_technicians(connection):
            yield technician.phone
        for customer in customers.all_customers(connection):
            yield from customer.phones
