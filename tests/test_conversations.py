"""Every `tests/calls/*.call` is a test: the conversation is played against the house as it is shipped,
once on the telephone network as it probably is, once on the least convenient one.

A file may say, in comments of its first lines, what is different from that:

    # with: the office's phones ring together      a name of VARIANTS
    # assumes: keys are kept                       a name of ASSUMPTIONS

Besides what the files ask: nothing is logged as an error unless the file says `* an error is logged`;
no PIN is found anywhere afterwards; a case that nobody took is pursued, any other is not; no attempt
of an ended call is left without a result.
"""

import base64
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update
from werkzeug.wrappers import Request

from console.commands import ivr
from console.phone import Behaviour, CallerCall, Reply, WsgiDoor, lines, parse
from console.phone.callfile import Comment
from console.phone.events import Answered, HungUp, Missed, Pressed, Rang, Worked
from console.phone.execution import CHARACTERS_A_SECOND
from console.privacy.keys import kept_sounds
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration
from ivr import caller_list, journal, strangers
from ivr.prompts import Speaker, catalogue
from ivr.settings import SpecialDay
from ivr.tables import calls, messages
from ivr.vocabulary import Clock, Day, Definitions, Digits, UrgencyMenu, UrgencyName, Value, line
from oncall.cases import cases
from oncall.reaching import attempts
from oncall.tables import attempts as attempt_rows
from oncall.tables import cases as case_rows
from oncall.tables import rota_versions, technicians
from pins import throttle
from pins.tables import customer_phones
from storage.tables import due_work, metadata

FILES = sorted((Path(__file__).parent / "calls").glob("*.call"))

DOCUMENTED = Behaviour()
# Everything that nobody could confirm, the other way round.
INCONVENIENT = Behaviour(
    declined_status="no-answer",
    voicemail_status="no-answer",
    caller_gone_status="no-answer",
    action_after_caller_hangup=False,
    sends_digits_when_empty=False,
    keeps_keys=False,
    gather_after_hangup=True,
    failed_whisper="connects",
    silent_recording="empty",
    recording_told_first=True,
    callbacks_late=True,
    receipts_backwards=True,
)
ASSUMPTIONS: dict[str, dict[str, Any]] = {
    "keys are kept": {"keeps_keys": True},
    "Dial reports after the caller hung up": {"action_after_caller_hangup": True},
    "nothing is reported after the caller hung up": {"action_after_caller_hangup": False},
    "no receipt comes": {"receipts": "none"},
    "text messages are not delivered": {"receipts": "undelivered"},
    "the end of a call that we place is not told": {"ends_reported": False},
}


# -- other configurations ----------------------------------------------------------------------


def changed(section: str, **values: Any) -> Callable[[Configuration], Configuration]:
    """A change of some keys of one section."""

    def change(configuration: Configuration) -> Configuration:
        new = getattr(configuration, section).model_copy(update=values)
        return configuration.model_copy(update={section: new})

    return change


def numbers(**values: Any) -> Callable[[Configuration], Configuration]:
    """A change of some keys of every number of ours."""

    def change(configuration: Configuration) -> Configuration:
        new = [number.model_copy(update=values) for number in configuration.number]
        return configuration.model_copy(update={"number": new})

    return change


VARIANTS: dict[str, Callable[[Configuration], Configuration]] = {
    "the office closes at noon on 24 December": changed(
        "hours", special_day=[SpecialDay(date=date(2026, 12, 24), open=["08:00-12:00"])]
    ),
    "the office is open on Saturday 14 March": changed(
        "hours", special_day=[SpecialDay(date=date(2026, 3, 14), open=["09:00-12:00"])]
    ),
    "the office's phones ring together": lambda configuration: changed("ringing", office_together=True)(
        numbers(office=["+390461000001", "+390461000002"])(configuration)
    ),
    "the office has two phones": numbers(office=["+390461000001", "+390461000002"]),
    "no PIN is offered by day": numbers(pin_by_day=False),
    "customers without a contract are connected": changed("urgency", connect_without_contract=True),
    "a prepaid package counts": changed("urgency", prepaid_counts=True),
    "callers without a PIN are screened": changed("pins", screen_without_pin=True),
    "there is an address to write to": changed("urgency", write_to="assistenza@example.net"),
    "no new attempt after a minute": changed("ringing", no_new_attempt_after=60),
    "customers may be dialled once a day": changed("toll", customers=1),
    "one pass": changed("ringing", passes=1),
    "the rota is empty": lambda configuration: configuration,
    "anna has a premium number": lambda configuration: configuration,
    "nobody's number is on file": lambda configuration: configuration,
}


def _empty_the_rota(rehearsal: Rehearsal) -> None:
    with rehearsal.house.database.write() as connection:
        connection.execute(rota_versions.delete())


def _give_anna_a_premium_number(rehearsal: Rehearsal) -> None:
    """As an entry made by hand in the database would: no verb lets it through."""
    with rehearsal.house.database.write() as connection:
        connection.execute(
            update(technicians).where(technicians.c.key == "anna").values(phone="+39899123456")
        )


def _take_the_numbers_off_the_files(rehearsal: Rehearsal) -> None:
    with rehearsal.house.database.write() as connection:
        connection.execute(customer_phones.delete())


PREPARATIONS: dict[str, Callable[[Rehearsal], None]] = {
    "the rota is empty": _empty_the_rota,
    "anna has a premium number": _give_anna_a_premium_number,
    "nobody's number is on file": _take_the_numbers_off_the_files,
}


# -- playing -----------------------------------------------------------------------------------


def comments(file: Path, label: str) -> list[str]:
    """What the comments of a file say after `label:`."""
    found = parse(file.read_text(encoding="utf-8"), str(file)).lines
    texts = [line.text for line in found if isinstance(line, Comment)]
    return [text.removeprefix(f"{label}:").strip() for text in texts if text.startswith(f"{label}:")]


def assumed(file: Path, behaviour: Behaviour) -> Behaviour:
    for name in comments(file, "assumes"):
        behaviour = replace(behaviour, **ASSUMPTIONS[name])
    return behaviour


class Watched:
    """A rehearsal with everything that leaves it written down: logs, addresses, answers."""

    def __init__(self, rehearsal: Rehearsal, caplog: pytest.LogCaptureFixture) -> None:
        self.rehearsal = rehearsal
        self.ask = rehearsal.fact
        rehearsal.fact = self.fact  # type: ignore[method-assign]
        self.logged = caplog
        self.errors_expected = 0
        # What waits for reasons of its own: PINs that end, lines for the ledger.
        self.waited = set(self._waiting())
        self.left: list[str] = []
        app = rehearsal.app
        serve = app.wsgi_app

        def watching(environ: Any, start_response: Any) -> Iterable[bytes]:
            self.left.append(Request(environ).url)
            answer = list(serve(environ, start_response))
            self.left.append(b"".join(answer).decode())
            return answer

        app.wsgi_app = watching  # type: ignore[method-assign]

    def fact(self, asked: str) -> str | None:
        """What a file asks: of the logs, of due work, of the latest call's turns, or of the rehearsal.

        Some lines are no questions: what they say happens then. `the PIN budget is spent` ·
        `acme missed 6 PINs` · `what he said has arrived` · `strangers flood us` · `mario is blocked` ·
        `numbers of mario's kind are blocked` · `mario is allowed`.
        """
        match asked.split():
            case ["the", "PIN", "budget", "is", "spent"]:
                self.miss("", throttle.BUDGET_HOUR)
                return None
            case ["strangers", "flood", "us"]:
                self.flood()
                return None
            case [who, "is", "blocked" | "allowed" as kind]:
                self.put("block" if kind == "blocked" else "allow", self.number_of(who))
                return None
            case ["numbers", "of", whose, "kind", "are", "blocked"]:
                self.put("block", f"{self.number_of(whose.removesuffix(chr(39) + 's'))[:6]}*")
                return None
            case [who, "missed", count, "PINs"]:
                self.miss(self.rehearsal.cast().phone(who), int(count))
                return None
            case ["what", "he", "said", "has", "arrived"]:
                self.fetch()
                return None
            case ["an", "error", "is", "logged"]:
                self.errors_expected += 1
                logged = len(self.errors())
                return None if logged >= self.errors_expected else f"{logged} errors were logged"
            case ["work", kind, "waits"]:
                kinds = self.waiting()
                return None if kind in kinds else f"what waits is {kinds}"
            case ["no", "work", "waits"]:
                kinds = self.waiting()
                return f"what waits is {kinds}" if kinds else None
            case ["a", "PIN", "was", "wrong:", *why]:
                heard = self.heard()
                return None if f"a wrong PIN ({' '.join(why)})" in heard else f"what was heard is {heard}"
            case ["the", "case", "is", "billable" | "covered" as expected]:
                with self.rehearsal.house.database.read() as connection:
                    billable = connection.execute(
                        select(case_rows.c.billable).order_by(case_rows.c.id.desc()).limit(1)
                    ).scalar_one()
                found = "billable" if billable else "covered"
                return None if found == expected else f"the case is {found}"
            case _:
                return self.ask(asked)

    def errors(self) -> list[logging.LogRecord]:
        """What was logged as an error, but for what is said of the database while it is away."""
        found = [record for record in self.logged.records if record.levelno >= logging.ERROR]
        if not self.rehearsal.outages:
            return found
        return [record for record in found if record.name != "ivr.standby" or record.exc_info]

    def miss(self, number: str, count: int) -> None:
        """So many wrong PINs were keyed just now, from `number`."""
        with self.rehearsal.house.database.write() as connection:
            for _ in range(count):
                throttle.missed(connection, self.rehearsal.clock.now(), number, throttle.Lane.SHARED)

    def flood(self) -> None:
        """As many strangers have called just now as may."""
        settings = self.rehearsal.configuration.flood
        with self.rehearsal.house.database.write() as connection:
            for number in range(settings.calls):
                sid = f"CA{secrets.token_hex(16)}"
                at = self.rehearsal.clock.now() - timedelta(milliseconds=number)
                strangers.meet(connection, at, sid, "", settings)

    def number_of(self, who: str) -> str:
        return who if who.startswith("+") else self.rehearsal.cast().phone(who)

    def put(self, kind: caller_list.Kind, pattern: str) -> None:
        with self.rehearsal.house.database.write() as connection:
            now = self.rehearsal.clock.now()
            caller_list.put(connection, "test", now, kind, pattern, anyway=True)

    def fetch(self) -> None:
        """The latest recording has been fetched, as the worker would have."""
        newest = select(messages.c.recording_sid).order_by(messages.c.recorded_at.desc()).limit(1)
        folder = kept_sounds(self.rehearsal.house.configuration)
        for database in (self.rehearsal.house.database, *self.rehearsal.keeper.spares.standing()):
            with database.write() as connection:
                sid = connection.execute(newest).scalar()
                if sid is not None:
                    with folder.writing(f"{sid}.mp3") as file:
                        file.write(b"his name")
                    journal.message_fetched(connection, self.rehearsal.clock.now(), sid, f"{sid}.mp3")

    def waiting(self) -> list[str]:
        """The kinds of work that calls have caused and that is still to be done."""
        return sorted(kind for row, kind in self._waiting().items() if row not in self.waited)

    def _waiting(self) -> dict[int, str]:
        with self.rehearsal.house.database.read() as connection:
            pending = select(due_work.c.id, due_work.c.kind).where(due_work.c.state == "pending")
            # A recording of nothing is fetched like any other; nobody waits for it.
            silent = select(messages.c.recording_sid).where(messages.c.seconds == 0).scalar_subquery()
            pending = pending.where((due_work.c.kind != journal.FETCH) | due_work.c.key.not_in(silent))
            found = {row.id: row.kind for row in connection.execute(pending)}
        # The admins are told of an outage, whatever the call was about.
        return {row: kind for row, kind in found.items() if not (self.rehearsal.outages and kind == "alarm")}

    def heard(self) -> list[str]:
        with self.rehearsal.house.database.read() as connection:
            latest = journal.recent(connection, limit=1)[0]
            return [turn.heard for turn in journal.turns_of(connection, latest.sid)]

    def traces(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is left of a conversation, by where it stands."""
        for path in sorted(self.rehearsal.folder.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
        with self.rehearsal.house.database.read() as connection:
            for table in metadata.sorted_tables:
                yield table.name, repr(connection.execute(select(table)).all()).encode()
        yield "the logs", self.logged.text.encode()
        yield "addresses and answers", "\n".join(self.left).encode()
        exchange = self.rehearsal.exchange
        shown = lines(exchange.events, self.rehearsal.cast(), requests=True)
        yield "the transcript", "\n".join(shown).encode()
        shown_of_themselves = (exchange.events, exchange.calls, exchange.placed, exchange.texts.sent)
        yield "what objects show of themselves", repr(shown_of_themselves).encode()


def disguises(pin: str) -> Iterator[bytes]:
    """A PIN as it might be found: plain, spaced, reversed, in hexadecimal, base64, URL-encoded."""
    plain = pin.encode()
    yield plain
    for gap in (" ", "-", ".", ",", ", ", "+", "%20", "\\u0020"):
        yield gap.join(pin).encode()
    yield plain[::-1]
    yield plain.hex().encode()
    yield "".join(f"%{byte:02x}" for byte in plain).encode()
    for ahead in range(3):
        # What stands before it shifts base64; the characters that neighbours share are cut off.
        coded = base64.b64encode(b"\0" * ahead + plain)
        yield coded[(0, 2, 3)[ahead] : len(coded) // 4 * 4 - 4]


def assert_no_pin_is_left(watched: Watched) -> None:
    cast = watched.rehearsal.cast()
    pins = [*cast.pins.values(), *(cast.wrong_pin(which) for which in range(6))]
    needles = [(number, disguise) for number, pin in enumerate(pins) for disguise in disguises(pin)]
    for where, content in watched.traces():
        # Which of them it was is told by its number: a failing test shows no PIN either.
        found = [number for number, disguise in needles if disguise in content]
        assert not found, f"PIN number {found[0]} of the cast is found in {where}"


def has_worked(rehearsal: Rehearsal) -> bool:
    return any(isinstance(event, Worked) for event in rehearsal.exchange.events)


def assert_nobody_is_forgotten(rehearsal: Rehearsal) -> None:
    """An accepted emergency that nobody took is pursued; no other case is; an ended call rings nobody."""
    with rehearsal.house.database.read() as connection:
        for case in cases.recent(connection):
            waits = connection.execute(
                select(due_work.c.due_at).where(
                    due_work.c.kind == cases.PURSUE,
                    due_work.c.key == case.number,
                    due_work.c.state == "pending",
                )
            ).all()
            results = [attempt.result for attempt in attempts.attempts_of(connection, case.id)]
            untaken = not (case.taken_at or case.closed_at) and "connected" not in results[-1:]
            # The sender of a text message can be forged: such a taking holds for a while only.
            by_text = case.taken_via == "text" and case.closed_at is None
            # Nothing was promised to a caller without a verified PIN.
            untaken = (untaken or by_text) and not case.screened
            assert len(waits) == (1 if untaken else 0), f"case {case.number}"
            if untaken and has_worked(rehearsal):
                # The worker has begun: it goes on no later than it may.
                ringing = rehearsal.configuration.ringing
                pause = ringing.text_take_holds if by_text else ringing.next_pass_after
                assert waits[0].due_at <= rehearsal.clock.now() + timedelta(seconds=pause)
            elif untaken:
                # Nobody is on the line any more: it is due now, not when the clock would have had it.
                ended = [call.ended for call in journal.recent(connection)]
                assert waits[0].due_at <= max(at for at in ended if at)
        still_ringing = (
            select(attempt_rows.c.id)
            .join(calls, calls.c.sid == attempt_rows.c.call_sid)
            .where(calls.c.ended_at.is_not(None), attempt_rows.c.result.is_(None))
        )
        assert connection.execute(still_ringing).all() == []


class Interrupted:
    """A door behind which the database is gone at every other request, and back when it has been served."""

    def __init__(self, rehearsal: Rehearsal, *, first: bool) -> None:
        self._rehearsal = rehearsal
        self._door = WsgiDoor(rehearsal.app)
        self._gone = not first

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        self._gone = not self._gone
        if self._gone:
            self._rehearsal.outage("the database goes away")
        reply = self._door.post(url, form, headers)
        self._rehearsal.outage("the database comes back")
        return reply


# Which of a file's requests meet no database: half of the files lose the first, the others the second. With
# FULL=1 each is played both ways.
# What a node cannot know while the database is away, and what the admins are told of it, makes these differ.
TOLD_OTHERWISE = {
    "pursued-and-taken": "one is told of the end, the other of the key; the case is his all the same",
    "pursued-technician-ends-the-talk": "so it is here",
    "screening-accepted": "an alarm that the file waits for is among those of the outage",
    "customer-cap-reached": "as the first two",
    **dict.fromkeys(
        (
            "flooded-and-nothing-is-keyed",
            "flooded-and-other-digits-are-keyed",
            "flooded-and-the-digits-are-right",
            "flooded-and-the-digits-are-right-the-second-time",
            "flooded-by-day",
        ),
        "how many strangers call stands in the database",
    ),
    "verify-a-technician": "who has the case is known where he pressed his key",
}
WITHOUT = ["without", "without-2"] if os.environ.get("FULL") == "1" else ["without"]


WAYS = [
    (DOCUMENTED, "sqlite", "documented"),
    (INCONVENIENT, "sqlite", "inconvenient"),
    (DOCUMENTED, "postgresql", "postgresql"),
    *((DOCUMENTED, way, way) for way in WITHOUT),
]


@pytest.mark.parametrize(
    ("file", "behaviour", "kind"),
    [
        pytest.param(file, behaviour, kind, id=f"{file.stem}-{name}")
        for file in FILES
        for behaviour, kind, name in WAYS
        if not (kind in WITHOUT and file.stem in TOLD_OTHERWISE)
    ],
)
def test_conversation(
    file: Path,
    behaviour: Behaviour,
    kind: str,
    request: pytest.FixtureRequest,
    stage: Callable[..., Rehearsal],
    shipped_configuration: Configuration,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    configuration = shipped_configuration
    variants = comments(file, "with")
    for variant in variants:
        configuration = VARIANTS[variant](configuration)
    where = {"url": request.getfixturevalue("postgresql_url")} if kind == "postgresql" else {}
    rehearsal = stage(configuration, behaviour=assumed(file, behaviour), **where)
    for variant in variants:
        PREPARATIONS.get(variant, lambda _: None)(rehearsal)
    if kind in WITHOUT:
        first = (len(file.stem) % 2 == 0) is (kind == WITHOUT[0])
        rehearsal.exchange.door = Interrupted(rehearsal, first=first)
    watched = Watched(rehearsal, caplog)
    conversation = rehearsal.play(file.read_text(encoding="utf-8"), file.name)
    every = [*conversation.calls, *conversation.placed]
    assert all(call.state == "ended" for call in every), "the file stops before the call ends"
    unexpected = watched.errors()[watched.errors_expected :]
    assert not unexpected, unexpected[0].getMessage()
    assert_nobody_is_forgotten(rehearsal)
    assert_no_pin_is_left(watched)


# -- what no file can say ----------------------------------------------------------------------


def at_the_pin(rehearsal: Rehearsal) -> CallerCall:
    """A call of ACME's, at ten in the evening, that is asked for its PIN."""
    rehearsal.play("@ 2026-03-10 22:00")
    return rehearsal.exchange.ring("+393471112201", "+390461825060")


def ringing(rehearsal: Rehearsal, customer: str = "acme") -> CallerCall:
    """The same call, with the first technician's phone ringing."""
    call = at_the_pin(rehearsal)
    call.press(rehearsal.pins[customer], label=f"PIN of {customer}")
    call.press("1")
    call.wait()
    assert call.state == "ringing"
    return call


def key_slowly(call: CallerCall, keys: str) -> None:
    """One key every nine seconds: each arrives just before the time is up."""
    for key in keys:
        call.press(key, after=0)
        call.exchange.clock.forward(seconds=9)


def test_the_pin_phase_ends_after_three_minutes(stage: Callable[..., Rehearsal]) -> None:
    rehearsal = stage()
    call = at_the_pin(rehearsal)
    for _ in range(2):
        key_slowly(call, rehearsal.cast().wrong_pin(0)[:-1])
        call.press(rehearsal.cast().wrong_pin(0)[-1], after=0)
        assert call.heard()[-1].startswith("Digiti il PIN")
    key_slowly(call, "123456")
    call.press("#", after=0)  # not complete, and only the first of its kind: but three minutes are over
    assert any(text.startswith("Senza un PIN valido") for text in call.heard())
    call.wait()
    assert rehearsal.fact("outcome no-pin") is None


def seconds_between(call: CallerCall, before: type, after: type) -> float:
    """From the latest event of one kind to the first of the other that follows it."""
    last = max(place for place, event in enumerate(call.events) if isinstance(event, before))
    then = next(event for event in call.events[last:] if isinstance(event, after))
    return (then.at - call.events[last].at).total_seconds()


def test_the_first_phone_rings_within_ten_seconds_of_the_urgency(stage: Callable[..., Rehearsal]) -> None:
    assert seconds_between(ringing(stage()), Pressed, Rang) <= 10


def test_after_a_decline_the_next_phone_rings_within_three_seconds(stage: Callable[..., Rehearsal]) -> None:
    call = ringing(stage())
    call.ringing[0].answer()
    assert call.leg is not None
    call.leg.press("2")
    assert seconds_between(call, Pressed, Rang) <= 3


def test_after_a_hang_up_the_next_phone_rings_within_three_seconds(stage: Callable[..., Rehearsal]) -> None:
    call = ringing(stage())
    call.ringing[0].answer()
    assert call.leg is not None
    call.leg.hang_up()
    assert seconds_between(call, HungUp, Rang) <= 3


@pytest.mark.parametrize(("customer", "seconds"), [("acme", 20), ("mele", 22)])
def test_a_voicemail_costs_twenty_seconds(
    customer: str, seconds: int, stage: Callable[..., Rehearsal]
) -> None:
    """At most; two more with the longest name of the cast."""
    call = ringing(stage(), customer)
    call.ringing[0].voicemail()
    assert seconds_between(call, Answered, HungUp) <= seconds


def test_the_phone_rings_as_long_as_it_should(stage: Callable[..., Rehearsal]) -> None:
    call = ringing(stage())
    call.ringing[0].no_answer()
    rang = next(event.at for event in call.events if isinstance(event, Rang))
    missed = next(event.at for event in call.events if isinstance(event, Missed))
    assert (missed - rang).total_seconds() == 25


LONGEST_PROMPT = 12  # seconds
LONGEST_MENU = 15


@pytest.mark.parametrize("language", ["it", "en", "de"])
@pytest.mark.parametrize("name", sorted(catalogue("it").sentences))
def test_no_prompt_is_long(name: str, language: str, shipped_configuration: Configuration) -> None:
    """At the pace at which the telephone speaks, with the longest values of the cast."""
    at = datetime(2026, 3, 10, 21, 0, tzinfo=UTC)
    speaker = Speaker("Cloudfabric", shipped_configuration.zone, shipped_configuration.urgency)
    values: dict[str, Value] = {
        "customer": "Frutticoltori Val di Sole",
        "code": Digits("4712"),
        "due": Clock(at + timedelta(hours=4)),
        "at": Clock(at + timedelta(days=9)),
        "urgency": UrgencyName("P1+"),
        "levels": Definitions() if name == "definitions" else UrgencyMenu(),
        "number": Digits("201"),
        "since": Clock(at - timedelta(hours=20)),
        "technician": "Anna Rossi",
        "address": "assistenza@example.net",
        "until": Day(date(2026, 9, 28)),
        "digits": Digits("47"),
        "text": "Nessuno ha risposto ad Acme, P1 più, codice 4 7 1 2, entro le 23:00.",
    }
    limit = LONGEST_MENU if name == "urgency-menu" else LONGEST_PROMPT
    for speech in speaker.say(line(name, **values), language, at):
        assert len(speech.text) / CHARACTERS_A_SECOND <= limit, speech.text


def test_the_search_for_pins_finds_each_disguise(
    stage: Callable[..., Rehearsal], caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = stage()
    watched = Watched(rehearsal, caplog)
    assert_no_pin_is_left(watched)
    pin = rehearsal.pins["acme"]
    for leak in (
        pin,
        " ".join(pin),
        pin[::-1],
        pin.encode().hex(),
        base64.b64encode(pin.encode()).decode(),
        base64.b64encode(f"a{pin}z".encode()).decode(),
        base64.b64encode(f"ab{pin}z".encode()).decode(),
        base64.b64encode(f"Digits={pin}&x".encode()).decode(),
        "%" + "%".join(f"{byte:02x}" for byte in pin.encode()),
    ):
        (rehearsal.folder / "leak").write_text(f"so: {leak}.")
        with pytest.raises(AssertionError, match="is found in leak") as failure:
            assert_no_pin_is_left(watched)
        assert pin not in str(failure.value)


def test_ivr_phone_plays_a_conversation_of_last_spring(tmp_path: Path) -> None:
    config, file = tmp_path / "none.toml", FILES[0].with_name("second-technician-accepts.call")
    played = CliRunner().invoke(ivr, ["--config", str(config), "phone", str(file)])
    assert played.exit_code == 0, played.output


def test_a_caller_whom_the_office_missed_did_not_hang_up(stage: Callable[..., Rehearsal]) -> None:
    rehearsal = stage()
    rehearsal.play(
        "@ 2026-03-10 10:00\n* acme calls trento\n* office is busy\n> nothing\n> nothing\n* the call ends"
    )
    assert rehearsal.fact("outcome hung-up") is not None
