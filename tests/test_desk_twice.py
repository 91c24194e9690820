"""Requests that come twice, all at once, in the wrong order, or for calls nobody knows."""

import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete, func, select

from console.phone import Behaviour, CallerCall, Exchange, Reply, WsgiDoor
from console.phone.signature import signature
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal
from ivr import journal
from ivr.tables import calls, leg_turns, legs, messages, turns
from oncall.cases.cases import PURSUE
from oncall.tables import attempts, cases
from storage import due
from storage.tables import due_work

CALLS = Path(__file__).parent / "calls"
HANG_UP = b"<Response><Hangup /></Response>"
COUNTED = (calls, turns, legs, leg_turns, messages, cases, attempts, due_work)
CONVERSATIONS = (
    "second-technician-accepts",
    "first-declines",
    "only-voicemails",
    "wrong-pin-three-times",
    "left-over-hash",
    "nobody-answers-message-left",
    "not-urgent-message-left",
    "silent-at-the-urgency",
    "office-misses-pin-path",
)
EVENING = "@ 2026-03-10 22:00\n"

Form = list[tuple[str, str]]


@dataclass(frozen=True)
class Delivered:
    """One request and what it was answered."""

    url: str
    form: Form
    reply: Reply

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


class RecordingDoor:
    """Delivers as the house does, `times` times over, and remembers. Every answer must be the same.

    `at_once`: from as many threads at the same moment.
    """

    def __init__(self, app: Any, times: int = 1, *, at_once: bool = False) -> None:
        self._app = app
        self._times = times
        self._at_once = at_once
        self.delivered: list[Delivered] = []

    def post(self, url: str, form: Form, headers: dict[str, str]) -> Reply:
        replies = self._together(url, form, headers) if self._at_once else self._in_turn(url, form, headers)
        assert len(replies) == self._times
        assert {(reply.status, reply.body) for reply in replies} == {(replies[0].status, replies[0].body)}
        self.delivered.append(Delivered(url, form, replies[0]))
        return replies[0]

    def _in_turn(self, url: str, form: Form, headers: dict[str, str]) -> list[Reply]:
        return [WsgiDoor(self._app).post(url, form, headers) for _ in range(self._times)]

    def _together(self, url: str, form: Form, headers: dict[str, str]) -> list[Reply]:
        gate = threading.Barrier(self._times)
        replies: list[Reply] = []

        def deliver() -> None:
            door = WsgiDoor(self._app)
            gate.wait()
            replies.append(door.post(url, form, headers))

        threads = [threading.Thread(target=deliver) for _ in range(self._times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return replies


def through(rehearsal: Rehearsal, door: RecordingDoor) -> RecordingDoor:
    """Let the rehearsal's telephone knock through `door`."""
    rehearsal.exchange = Exchange(
        door,
        public_url=PUBLIC_URL,
        account_sid=rehearsal.account_sid,
        auth_token=rehearsal.auth_token,
        clock=rehearsal.clock,
        owned=rehearsal.configuration.our_numbers,
    )
    return door


def ask(rehearsal: Rehearsal, url: str, form: Form) -> Reply:
    """Deliver a signed request of our own making."""
    url = url if url.startswith("https:") else PUBLIC_URL + url
    headers = {"X-Twilio-Signature": signature(rehearsal.auth_token, url, form)}
    return WsgiDoor(rehearsal.app).post(url, form, headers)


def with_(form: Form, **changes: str) -> Form:
    """The form with some values changed or added."""
    return list((dict(form) | changes).items())


def effects(rehearsal: Rehearsal) -> dict[str, int]:
    """How many rows stand in every table that a call writes."""
    with rehearsal.house.database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in COUNTED
        }


def story(rehearsal: Rehearsal) -> list[tuple[str, str, list[str]]]:
    """What the journal tells of the latest call, without identities and times."""
    with rehearsal.house.database.read() as connection:
        sid = journal.recent(connection, limit=1)[0].sid
        return [(turn.step, turn.heard, turn.said) for turn in journal.turns_of(connection, sid)]


def read(name: str) -> str:
    return (CALLS / f"{name}.call").read_text(encoding="utf-8")


Stage = Callable[..., Rehearsal]


def without_wrapped_facts(text: str) -> str:
    """A conversation without the facts that only the conversations' own test can answer."""
    return "\n".join(
        line
        for line in text.splitlines()
        if not line.startswith(("* work", "* no work", "* a PIN was", "* the case is", "* an error"))
    )


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_request_twice_and_once_more_after_the_end(name: str, stage: Stage) -> None:
    text = without_wrapped_facts(read(name))
    once, twice = stage(), stage()
    through(once, RecordingDoor(once.app))
    once.play(text, name)
    door = through(twice, RecordingDoor(twice.app, 2))
    twice.play(text, name)
    assert story(twice) == story(once)
    assert effects(twice) == effects(once)

    for delivered in door.delivered:
        if delivered.path == "/voice/status":
            continue
        again = ask(twice, delivered.url, with_(delivered.form, Digits="1"))
        assert (again.status, again.body) == (delivered.reply.status, delivered.reply.body), delivered.path
    assert story(twice) == story(once)
    assert effects(twice) == effects(once)


@pytest.mark.parametrize("name", ["second-technician-accepts", "wrong-pin-three-times"])
def test_five_at_once(name: str, stage: Stage) -> None:
    text = without_wrapped_facts(read(name))
    once, crowd = stage(), stage()
    through(once, RecordingDoor(once.app))
    once.play(text, name)
    through(crowd, RecordingDoor(crowd.app, 5, at_once=True))
    crowd.play(text, name)
    assert story(crowd) == story(once)
    assert effects(crowd) == effects(once)


@pytest.mark.parametrize("seed", range(8))
def test_requests_in_any_order(seed: int, stage: Stage) -> None:
    """A turn that is neither answered nor next gets a hang-up and changes nothing."""
    rehearsal = stage()
    door = through(rehearsal, RecordingDoor(rehearsal.app))
    rehearsal.play(without_wrapped_facts(read("wrong-pin-three-times")))
    sid = f"CA{seed:032x}"
    asked = [
        (number, with_(delivered.form, CallSid=sid))
        for number, delivered in enumerate(d for d in door.delivered if d.path.startswith("/voice/turn"))
    ]
    order = [*asked, *asked]
    random.Random(seed).shuffle(order)
    answered: dict[int, bytes] = {}
    expected: int | None = None
    for number, form in order:
        before = effects(rehearsal)
        reply = ask(rehearsal, f"/voice/turn/{number}", form)
        assert reply.status == 200
        if number in answered:
            assert reply.body == answered[number]
            assert effects(rehearsal) == before
        elif expected in (None, number):
            assert HANG_UP not in reply.body
            assert effects(rehearsal)["turns"] == before["turns"] + 1
            answered[number], expected = reply.body, number + 1
        else:
            assert HANG_UP in reply.body
            assert effects(rehearsal) == before
    assert len(answered) > 1 or expected == len(asked)


def to_the_pin(rehearsal: Rehearsal) -> tuple[CallerCall, RecordingDoor]:
    """A call at ten in the evening that was asked for its PIN."""
    door = through(rehearsal, RecordingDoor(rehearsal.app))
    rehearsal.play(EVENING)
    return rehearsal.exchange.ring("+393471112201", "+390461825060"), door


def to_the_ring(rehearsal: Rehearsal) -> tuple[CallerCall, RecordingDoor]:
    """The same call, with Anna's phone ringing."""
    call, door = to_the_pin(rehearsal)
    call.press(rehearsal.pins["acme"], label="PIN of acme")
    call.press("1")
    call.wait()
    assert call.state == "ringing"
    return call, door


def action_of(door: RecordingDoor, verb: str) -> str:
    """The action of the latest `verb` that was answered."""
    for delivered in reversed(door.delivered):
        found = re.search(rf'<{verb} action="([^"]+)"', delivered.reply.body.decode())
        if found:
            return found[1].replace("&amp;", "&")
    raise AssertionError(f"no {verb} was answered")


@pytest.mark.parametrize("ahead", [2, 3, 7, 9999])
def test_a_turn_that_skips_ahead_is_hung_up_on(ahead: int, stage: Stage) -> None:
    rehearsal = stage()
    call, door = to_the_pin(rehearsal)
    before = effects(rehearsal)
    form = with_(door.delivered[0].form, Digits="1")
    assert HANG_UP in ask(rehearsal, f"/voice/turn/{ahead}", form).body
    assert effects(rehearsal) == before
    call.press(rehearsal.pins["acme"], label="PIN of acme")
    assert any("Acme" in text for text in call.heard())


def served_elsewhere(rehearsal: Rehearsal, number: int) -> None:
    """As if another node had answered this turn: nothing of it stands here."""
    with rehearsal.house.database.write() as connection:
        assert connection.execute(delete(turns).where(turns.c.turn == number)).rowcount == 1


def test_a_call_that_was_begun_anew_elsewhere_goes_on(stage: Stage) -> None:
    """A node that knew nothing of it was asked what to do, and welcomed him again: what he keys then comes
    here, where the call had come further. He is not hung up on.
    """
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    first = next(each for each in door.delivered if each.path == "/voice/turn/1")
    served_elsewhere(rehearsal, 1)
    again = ask(rehearsal, first.url, first.form)
    assert HANG_UP not in again.body
    assert "Acme" in again.body.decode()
    # The case that he was promised is the same, and goes on being pursued.
    assert effects(rehearsal)["cases"] == 1
    assert call.state == "ringing"
    with rehearsal.house.database.read() as connection:
        pursued = select(due_work.c.key).where(due_work.c.kind == PURSUE, due_work.c.state == due.PENDING)
        assert len(connection.execute(pursued).all()) == 1


def test_an_old_address_after_the_end_is_hung_up_on(stage: Stage) -> None:
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    first = next(each for each in door.delivered if each.path == "/voice/turn/1")
    call.hang_up()
    served_elsewhere(rehearsal, 1)
    before = effects(rehearsal)
    assert HANG_UP in ask(rehearsal, first.url, first.form).body
    assert effects(rehearsal) == before


def test_a_new_turn_after_the_end_is_hung_up_on(stage: Stage) -> None:
    rehearsal = stage()
    door = through(rehearsal, RecordingDoor(rehearsal.app))
    rehearsal.play(without_wrapped_facts(read("wrong-pin-three-times-no-message")))
    before = effects(rehearsal)
    last = max(int(d.path.rsplit("/", 1)[1]) for d in door.delivered if d.path.startswith("/voice/turn"))
    form = with_(door.delivered[0].form, Digits="1", CallStatus="in-progress")
    reply = ask(rehearsal, f"/voice/turn/{last + 1}", form)
    assert reply.body.rstrip().endswith(b"<Hangup /></Response>")
    assert effects(rehearsal)["attempts"] == before["attempts"]
    assert HANG_UP in ask(rehearsal, f"/voice/turn/{last + 5}", form).body


@pytest.mark.parametrize("path", ["/voice/turn/1", "/voice/turn/17", "/voice/fallback"])
def test_a_call_nobody_knows_is_served_as_a_new_one(path: str, stage: Stage) -> None:
    rehearsal = stage()
    call, door = to_the_pin(rehearsal)
    form = with_(door.delivered[0].form, CallSid="CA" + "5" * 32, Digits="1", CallStatus="in-progress")
    reply = ask(rehearsal, path, form)
    assert "emergenze fuori orario" in reply.body.decode()
    assert HANG_UP not in reply.body
    assert effects(rehearsal)["calls"] == 2
    # And it goes on from there, as any call does.
    action = re.search(r'<Gather action="([^"]+)"', reply.body.decode())
    assert action is not None
    pin = with_(form, Digits=rehearsal.pins["acme"])
    assert "Acme" in ask(rehearsal, action[1].replace("&amp;", "&"), pin).body.decode()
    assert call.state == "gathering"


def leg_form(rehearsal: Rehearsal, call: CallerCall, **changes: str) -> Form:
    """What Twilio sends about a technician's leg of `call`."""
    form = rehearsal.exchange.parameters("CA" + "7" * 32, call.to, "+393331234501", "outbound-dial")
    return list((form | {"ParentCallSid": call.sid, "CallStatus": "in-progress"} | changes).items())


@pytest.mark.parametrize(
    "path", ["/voice", "/voice/turn/1", "/voice/turn/4", "/voice/fallback", "/voice/technician/1"]
)
def test_a_leg_nobody_knows_is_hung_up_on(path: str, stage: Stage) -> None:
    """Never a new call, never a document that merely ends: that would connect him."""
    rehearsal = stage()
    call, _ = to_the_ring(rehearsal)
    before = effects(rehearsal)
    assert HANG_UP in ask(rehearsal, path, leg_form(rehearsal, call)).body
    # Nor without its parent's name.
    orphan = [pair for pair in leg_form(rehearsal, call) if pair[0] != "ParentCallSid"]
    assert HANG_UP in ask(rehearsal, path, orphan).body
    assert effects(rehearsal) == before


def test_a_leg_of_an_attempt_that_is_over_is_hung_up_on(stage: Stage) -> None:
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    whisper = re.search(r'<Number[^>]* url="([^"]+)"', door.delivered[-1].reply.body.decode())
    assert whisper is not None
    call.ringing[0].busy()
    reply = ask(rehearsal, whisper[1].replace("&amp;", "&"), leg_form(rehearsal, call))
    assert HANG_UP in reply.body


def test_a_leg_cannot_skip_the_announcement(stage: Stage) -> None:
    """A key at a turn that was not asked is recorded by nobody."""
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    call.ringing[0].answer()
    asked = door.delivered[-1]
    assert asked.path == "/voice/technician/0"
    query = urlsplit(asked.url).query
    reply = ask(rehearsal, f"/voice/technician/2?{query}", with_(asked.form, Digits="1"))
    assert HANG_UP in reply.body
    with rehearsal.house.database.read() as connection:
        assert connection.execute(select(attempts.c.pressed)).scalars().all() == [None]


def test_an_address_made_for_another_call_tells_nothing_of_it(stage: Stage) -> None:
    """Whoever comes with it is a new caller; what was said to the other one is not repeated to him."""
    rehearsal = stage()
    call, door = to_the_pin(rehearsal)
    call.press(rehearsal.pins["acme"], label="PIN of acme")
    other = with_(door.delivered[0].form, CallSid="CA" + "5" * 32, Digits="1")
    reply = ask(rehearsal, action_of(door, "Gather"), other).body.decode()
    assert "Acme" not in reply
    assert "<Dial" not in reply
    assert effects(rehearsal)["cases"] == 0
    call.press("1")
    call.wait()
    assert call.state == "ringing"


def test_the_fallback_repeats_the_last_answer(stage: Stage) -> None:
    rehearsal = stage()
    call, door = to_the_pin(rehearsal)
    call.press("123#")
    before = effects(rehearsal)
    last = door.delivered[-1]
    form = with_(last.form, ErrorCode="11200", ErrorUrl=last.url)
    for _ in range(2):
        assert ask(rehearsal, "/voice/fallback", form).body == last.reply.body
    assert effects(rehearsal) == before


def test_the_end_told_before_the_dial_is_still_a_connection(stage: Stage) -> None:
    """The end-of-call callback cannot know of the bridge; the Dial's action that follows does."""
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    call.ringing[0].answer()
    assert call.leg is not None
    call.leg.press("1")
    assert call.state == "bridged"
    ended = with_(list(call.parameters().items()), CallStatus="completed")
    assert ask(rehearsal, "/voice/status", ended).status == 204
    assert rehearsal.fact("case P1+ is open and pursued") is None
    told = with_(ended, DialCallStatus="completed", DialBridged="true", DialCallDuration="60")
    for _ in range(2):
        assert ask(rehearsal, action_of(door, "Dial"), told).status == 200
        assert rehearsal.fact("outcome connected") is None
        assert rehearsal.fact("anna's result is connected") is None
        assert rehearsal.fact("case P1+ is connected and not pursued") is None
    # And once more, when the end is told again.
    ask(rehearsal, "/voice/status", ended)
    assert rehearsal.fact("outcome connected") is None


def test_a_bridge_without_a_recorded_key_is_no_connection(stage: Stage) -> None:
    """Whatever the network says: only his key makes an attempt accepted."""
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    call.ringing[0].answer()
    told = with_(
        list(call.parameters().items()),
        CallStatus="completed",
        DialCallStatus="completed",
        DialBridged="true",
        DialCallDuration="60",
    )
    ask(rehearsal, action_of(door, "Dial"), told)
    assert rehearsal.fact("outcome accepted") is None
    assert rehearsal.fact("anna's result is unconfirmed") is None
    assert rehearsal.fact("case P1+ is open and pursued") is None


@pytest.mark.parametrize("reported", [True, False])
def test_accepted_but_gone_before_the_bridge(reported: bool, stage: Stage) -> None:
    """The caller hangs up between the technician's key and the bridge: the case is pursued."""
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    rehearsal.exchange.behaviour = Behaviour(action_after_caller_hangup=reported)
    call.ringing[0].answer()
    keyed = with_(door.delivered[-1].form, Digits="1")
    assert HANG_UP not in ask(rehearsal, action_of(door, "Gather"), keyed).body
    call.hang_up()
    assert rehearsal.fact("outcome accepted") is None
    assert rehearsal.fact("anna's result is accepted") is None
    assert rehearsal.fact("case P1+ is open and pursued") is None
    # His key comes again, and another: he is told once more what he was told, and nothing is connected.
    before = effects(rehearsal)
    ask(rehearsal, action_of(door, "Gather"), with_(keyed, Digits="2"))
    assert rehearsal.fact("anna's result is accepted") is None
    assert effects(rehearsal) == before


def test_a_key_after_the_caller_has_gone_connects_nobody(stage: Stage) -> None:
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    call.ringing[0].answer()
    asked, gather = door.delivered[-1], action_of(door, "Gather")
    call.hang_up()
    reply = ask(rehearsal, gather, with_(asked.form, Digits="1"))
    assert reply.body.endswith(b"<Hangup /></Response>")
    assert rehearsal.fact("case P1+ is open and pursued") is None


def test_a_second_key_of_the_same_technician_changes_nothing(stage: Stage) -> None:
    """He passed; a 1 that comes at the next turn does not make it an acceptance."""
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    call.ringing[0].answer()
    asked = door.delivered[-1]
    gather = action_of(door, "Gather")
    ask(rehearsal, gather, with_(asked.form, Digits="2"))
    following = re.sub(r"/technician/(\d+)", lambda m: f"/technician/{int(m[1]) + 1}", gather)
    assert HANG_UP in ask(rehearsal, following, with_(asked.form, Digits="1")).body
    with rehearsal.house.database.read() as connection:
        assert connection.execute(select(attempts.c.pressed)).scalars().all() == ["declined"]


def test_nobody_is_rung_once_the_end_was_told(stage: Stage) -> None:
    """A Dial's action that was under way when the call ended begins no new attempt."""
    rehearsal = stage()
    call, door = to_the_ring(rehearsal)
    form = list(call.parameters().items())
    ask(rehearsal, "/voice/status", with_(form, CallStatus="completed"))
    told = with_(form, CallStatus="in-progress", DialCallStatus="no-answer", DialBridged="false")
    assert b"<Dial" not in ask(rehearsal, action_of(door, "Dial"), told).body
    assert effects(rehearsal)["attempts"] == 1
    assert rehearsal.fact("outcome accepted") is None
    assert rehearsal.fact("case P1+ is open and pursued") is None
