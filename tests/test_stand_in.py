"""The stand-in's document, run by Node and walked by the telephone while the house is dead."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import ACTOR, NIGHT, TOKEN, configuration, fresh_database, rome, staff
from sqlalchemy import Connection
from stand_in.walking import ADDRESS, HOST, Roads, running, telephone

from console.house import rules
from console.phone.call import CallerCall
from console.phone.events import Failed
from console.phone.exchange import Behaviour, Exchange
from console.settings import Configuration
from console.stand_in.content import Document, make_document
from ivr.standby.stand_in import COVERS, begins
from oncall.rota import absences, roster
from storage.engine import Database

TRENTO, TIONE = "+390461825060", "+390465324963"
OFFICE = "+390461000001"
ANNA, BRUNO, DARIO = "+393331234501", "+393331234502", "+393331234504"
CUSTOMER = "+393471112201"
DUTY = "+393339999901"
DAY = rome("2026-03-10 10:00")


class Line:
    """A caller at a house that is dead."""

    def __init__(self, local: str, at: datetime, **more: Any) -> None:
        self.exchange: Exchange
        self.roads: Roads
        self.exchange, self.roads = telephone(local, at, **more)

    def ring(self, to: str = TRENTO, from_: str = CUSTOMER) -> CallerCall:
        return self.exchange.ring(from_, to)

    def emergency(self, to: str = TRENTO, from_: str = CUSTOMER) -> CallerCall:
        """Rings and presses the key he is told."""
        call = self.ring(to, from_)
        call.press(key_told(call))
        return call


def key_told(call: CallerCall) -> str:
    found = re.search(r"(?:prema|press|drücken Sie) ([2-9])", call.heard()[-1])
    assert found, call.heard()
    return found[1]


def rung(call: CallerCall) -> list[str]:
    return [leg.phone for leg in call.ringing]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[Configuration, Database]]:
    known = configuration(tmp_path)
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            staff(connection, rome("2026-01-01 00:00"))
        yield known, database


def document(house: tuple[Configuration, Database], at: datetime = NIGHT) -> Document:
    known, database = house
    with database.read() as connection:
        return make_document(known, connection, at)


@contextmanager
def served(house: tuple[Configuration, Database], folder: Path, made: datetime = NIGHT) -> Iterator[str]:
    with running(document(house, made).text, folder) as local:
        yield local


@pytest.fixture
def local(house: tuple[Configuration, Database], tmp_path: Path) -> Iterator[str]:
    with served(house, tmp_path) as local:
        yield local


def away(connection: Connection, start: datetime, end: datetime) -> None:
    """Bruno is absent."""
    absences.add(connection, ACTOR, NIGHT, "bruno", start, end, "holiday")


def ringing(known: Configuration, **changed: Any) -> Configuration:
    """The same with other settings of [ringing]."""
    return known.model_copy(update={"ringing": known.ringing.model_copy(update=changed)})


# -- by night ----------------------------------------------------------------------------------


def test_a_caller_reaches_the_technician_on_duty(local: str) -> None:
    line = Line(local, NIGHT)
    call = line.emergency()
    assert call.heard()[:2] == [
        "Cloudfabric, emergenze fuori orario. L'informativa sulla privacy è sul nostro sito.",
        "Per un guasto non possiamo controllare i PIN. Per un'emergenza che non può aspettare, prema "
        f"{key_told_of(call)}.",
    ]
    (leg,) = call.ringing
    assert leg.phone == BRUNO
    assert leg.parameters()["From"] == TRENTO  # he sees our own number
    leg.answer()
    told = call.heard(BRUNO)
    assert told[0] == "Emergenza per Cloudfabric: il sistema è fermo."
    assert told[1] == "Chiamante non verificato."
    assert told[2] == "Per accettare prema 1, per passare 2, per riascoltare 9."
    leg.press("1")
    assert leg.state == "bridged"
    leg.talk(300)
    assert call.state == "ended"
    assert call.heard()[-1] == "Arrivederci."
    failed = [str(each) for each in call.events if isinstance(each, Failed)]
    assert all("ivr.example.net" in each or "/voice: refused" in each for each in failed), failed


def key_told_of(call: CallerCall) -> str:
    return next(found[1] for text in call.heard() if (found := re.search(r"prema ([2-9])\.", text)))


def test_whoever_passes_is_followed_by_the_next_twice_over_and_then_a_message_is_taken(local: str) -> None:
    call = Line(local, NIGHT).emergency()
    order = []
    while call.ringing:
        (leg,) = call.ringing
        order.append(leg.phone)
        leg.answer()
        leg.press("2")
    assert order == [BRUNO, DARIO, BRUNO, DARIO]
    assert call.state == "recording"
    assert "Ci scusi, nessun tecnico ha potuto risponderle." in call.heard()
    assert call.records_for == 120
    call.speak(20, then="#")
    assert call.heard()[-3:-1] == [
        "Grazie, il messaggio è registrato.",
        "Lo ascolteremo appena il sistema riprende a funzionare.",
    ]
    assert call.state == "ended"


@pytest.mark.parametrize("status", ["completed", "no-answer"])
def test_a_voicemail_is_not_connected(local: str, status: Any) -> None:
    behaviour = Behaviour(voicemail_status=status, declined_status=status)
    line = Line(local, NIGHT, behaviour=behaviour)
    call = line.emergency()
    call.ringing[0].voicemail(after=5)
    assert rung(call) == [DARIO]
    call.ringing[0].answer()
    assert call.leg is not None
    call.leg.hang_up()
    assert rung(call) == [BRUNO]


def test_no_attempt_is_begun_after_240_seconds(local: str) -> None:
    line = Line(local, NIGHT)
    call = line.emergency()
    line.exchange.clock.forward(seconds=241)
    call.ringing[0].no_answer()
    assert call.state == "recording"


def test_keys_of_a_technician(local: str) -> None:
    call = Line(local, NIGHT).emergency()
    (leg,) = call.ringing
    leg.answer()
    leg.press("9")
    assert call.heard(BRUNO).count("Chiamante non verificato.") == 2
    leg.press("7")
    assert call.heard(BRUNO)[-1] == "Per accettare prema 1."
    leg.press("7")
    assert leg.state == "ended"
    assert rung(call) == [DARIO]


def test_a_machine_wakes_nobody(local: str) -> None:
    """It says nothing, or presses 1 wherever it comes; the key differs from call to call."""
    silent = Line(local, NIGHT).ring()
    silent.wait()
    silent.wait()
    assert silent.state == "recording"
    presses = Line(local, NIGHT).ring()
    presses.press("1")
    presses.press("1")
    assert presses.state == "recording"
    keys = {key_told(Line(local, NIGHT).ring()) for _ in range(30)}
    assert len(keys) > 3
    assert "1" not in keys


def test_silence_in_the_message_ends_well(local: str) -> None:
    call = Line(local, NIGHT).ring()
    call.wait()
    call.wait()
    call.wait()
    assert call.state == "ended"
    assert call.heard()[-2:] == ["Non abbiamo ricevuto nulla.", "Arrivederci."]


def test_the_caller_hangs_up_while_a_phone_rings(local: str) -> None:
    line = Line(local, NIGHT)
    call = line.emergency()
    call.hang_up()
    assert call.state == "ended"
    assert len(line.roads.bodies) == 3
    assert "<Dial" not in line.roads.bodies[-1]


@pytest.mark.parametrize("language", ["it", "en", "de"])
def test_after_a_voicemail_the_next_phone_rings_within_22_seconds(
    house: tuple[Configuration, Database], tmp_path: Path, language: str
) -> None:
    known, database = house
    spoken = [each.model_copy(update={"language": language}) for each in known.number]
    with served((known.model_copy(update={"number": spoken}), database), tmp_path) as local:
        line = Line(local, NIGHT)
        call = line.emergency()
        (leg,) = call.ringing
        leg.answer()
        picked_up = line.exchange.clock.now()
        while leg.state == "whispering":
            leg.wait()
        # The caller is told meanwhile that we go on.
        assert line.exchange.clock.now() - picked_up <= timedelta(seconds=22)
        assert rung(call) == [DARIO]


# -- by day ------------------------------------------------------------------------------------


def test_by_day_the_office_is_rung_and_no_key_is_asked(local: str) -> None:
    call = Line(local, DAY).ring()
    assert rung(call) == [OFFICE]
    assert call.heard() == ["Cloudfabric, buongiorno. La mettiamo in contatto con l'ufficio."]
    call.ringing[0].answer()
    call.ringing[0].talk(60) if call.ringing else call.leg.talk(60)  # type: ignore[union-attr]
    assert call.state == "ended"


def test_by_day_nobody_at_the_office(local: str) -> None:
    call = Line(local, DAY).ring()
    call.wait()
    assert "Ci scusi, al momento l'ufficio non può rispondere." in call.heard()
    call.wait()
    assert call.state == "recording"
    again = Line(local, DAY).ring()
    again.wait()
    again.press(key_told(again))
    assert rung(again) == [BRUNO]


def test_the_office_s_own_call_does_not_go_round(local: str) -> None:
    assert rung(Line(local, DAY).ring(from_=OFFICE)) == []
    assert rung(Line(local, DAY).ring(from_=TIONE)) == []


# -- instants ----------------------------------------------------------------------------------


INSTANTS = [
    ("2026-03-10 18:29:59", "office"),
    ("2026-03-10 18:30", "duty"),
    ("2026-03-11 07:59:59", "duty"),
    ("2026-03-11 08:00", "office"),
    ("2026-03-11 12:59:59", "office"),
    ("2026-03-11 13:00", "duty"),
    ("2026-03-11 14:00", "office"),
    ("2026-03-14 11:00", "duty"),  # a Saturday
    ("2026-03-29 01:59", "duty"),  # the clock is set forward
    ("2026-03-29 03:00", "duty"),
    ("2026-04-06 10:00", "duty"),  # Easter Monday
    ("2026-04-07 10:00", "office"),
]


@pytest.mark.parametrize(("instant", "who"), INSTANTS)
def test_whom_it_rings(local: str, house: tuple[Configuration, Database], instant: str, who: str) -> None:
    """Hours and rota as people know them, and as the house itself would answer."""
    at = rome(instant)
    known, database = house
    line = Line(local, at)
    call = line.ring()
    if who == "office":
        assert rung(call) == [OFFICE]
        return
    call.press(key_told(call))
    pressed = line.exchange.clock.now()
    with database.read() as connection:
        wanted = [each.phone for each in roster.ladder(connection, known.ringing, "duty", pressed)]
    heard = []
    while call.ringing and len(heard) < len(wanted):
        heard += rung(call)
        call.ringing[0].no_answer()
    assert heard == wanted != []


def test_the_long_night_of_october(house: tuple[Configuration, Database], tmp_path: Path) -> None:
    made = rome("2026-10-12 12:00")
    with served(house, tmp_path, made) as local:
        for at, who in (
            (rome("2026-10-25 02:30"), "duty"),
            (rome("2026-10-25 02:30", fold=1), "duty"),
            (rome("2026-10-26 07:59"), "duty"),
            (rome("2026-10-26 08:00"), "office"),
            (rome("2026-11-01 10:00"), "duty"),
        ):
            assert (rung(Line(local, at).ring()) == [OFFICE]) is (who == "office"), at


def test_hand_over_override_and_absence(house: tuple[Configuration, Database], tmp_path: Path) -> None:
    """Worked out by hand: Bruno has the week until Monday the 16th at 18:30, then Anna."""
    _, database = house
    with database.write() as connection:
        start, end = rome("2026-03-12 20:00"), rome("2026-03-12 23:00")
        roster.override(
            connection, ACTOR, NIGHT, rota_key="duty", rung=1, start=start, end=end, technician_key="dario"
        )
        away(connection, rome("2026-03-13 20:00"), rome("2026-03-13 23:00"))
    with served(house, tmp_path) as local:
        for instant, first in (
            ("2026-03-12 19:30", BRUNO),
            ("2026-03-12 20:30", DARIO),
            ("2026-03-13 20:30", ANNA),
            ("2026-03-14 18:29", BRUNO),
            ("2026-03-16 07:59", BRUNO),
            ("2026-03-16 18:31", ANNA),
        ):
            assert rung(Line(local, rome(instant)).emergency()) == [first], instant


def test_after_its_end_the_last_ladder_is_rung_and_the_duty_phone(
    house: tuple[Configuration, Database], tmp_path: Path
) -> None:
    known, database = house
    with_duty = (ringing(known, duty_phone=DUTY), database)
    end = begins(NIGHT) + COVERS
    with served(with_duty, tmp_path) as local:
        call = Line(local, end - timedelta(minutes=5)).emergency()
        last = rung(call)
        call.ringing[0].no_answer()
        call.ringing[0].no_answer()
        assert rung(call) == last  # the second pass: no duty phone yet
        line = Line(local, end + timedelta(days=40, hours=12))
        late = line.emergency()
        order = []
        for _ in range(3):
            order += rung(late)
            late.ringing[0].no_answer()
        assert order == [*last, DARIO, DUTY]


def test_nobody_on_duty_but_a_duty_phone(house: tuple[Configuration, Database], tmp_path: Path) -> None:
    known, database = house
    nobody = known.model_copy(
        update={"number": [each.model_copy(update={"rota": "nobody"}) for each in known.number]}
    )
    with served((ringing(nobody, duty_phone=DUTY), database), tmp_path) as local:
        assert rung(Line(local, NIGHT).emergency()) == [DUTY]
        unknown = Line(local, NIGHT).emergency(to="+390461999999")
        assert rung(unknown) == [DUTY]
    with served((nobody, database), tmp_path) as local:
        call = Line(local, NIGHT).emergency()
        assert call.state == "recording"


# -- what it may do ----------------------------------------------------------------------------


def test_only_signed_requests_are_answered(local: str) -> None:
    line = Line(local, NIGHT, token="another account's token, 32 letters")
    call = line.ring()
    assert call.state == "ended"
    assert call.heard() == ["We are sorry, an application error has occurred. Goodbye."]
    assert line.roads.bodies == [""]


FORGED = [
    "step=rung&place=99&pass=1&began=1",
    "step=rung&place=0&pass=0&began=99999999999",
    "step=rung&place=-1&pass=%3Cx%3E&began=abc",
    "step=rung&place=0&phone=%2B39899123456",
    "step=whisper",
    "step=key&place=0",
    "step=nothing",
    "step=emergency&place=77",
    "step=__proto__",
    "place=7&place=8",
]


@pytest.mark.parametrize("query", FORGED)
@pytest.mark.parametrize("leg", [False, True])
def test_no_address_makes_it_dial_anybody_else(
    house: tuple[Configuration, Database], local: str, query: str, leg: bool
) -> None:
    allowed = document(house).table.every_phone()
    line = Line(local, NIGHT)
    form = {"CallSid": "CA" + "1" * 32, "From": CUSTOMER, "To": TRENTO, "CallStatus": "in-progress"}
    form |= (
        {"ParentCallSid": "CA" + "2" * 32, "Direction": "outbound-dial"} if leg else {"Direction": "inbound"}
    )
    for digits in ("", "1", "5", "+39899123456", '"><Dial>'):
        reply = line.exchange.post(f"{ADDRESS}?{query}", {**form, "Digits": digits})
        assert reply.status == 200
        root = ElementTree.fromstring(reply.body)
        dialled = {each.text for noun in ("Number", "Sip") for each in root.iter(noun)}
        assert dialled <= allowed
        if leg:
            assert not dialled
            # Connected by nothing but the key, at the step that asks for it.
            assert root.find("Hangup") is not None or (query.startswith("step=key") and digits == "1")


def test_whatever_fails_on_a_technician_s_leg_is_hung_up(
    house: tuple[Configuration, Database], tmp_path: Path
) -> None:
    broken = re.sub(r"const TABLE = .*", "const TABLE = {};", document(house).text)
    with running(broken, tmp_path) as local:
        line = Line(local, NIGHT)
        form = {"CallSid": "CA" + "1" * 32, "From": TRENTO, "To": ANNA, "CallStatus": "in-progress"}
        leg = line.exchange.post(
            f"{ADDRESS}?step=whisper",
            {**form, "ParentCallSid": "CA" + "2" * 32, "Direction": "outbound-dial"},
        )
        assert leg.body == b"<Response><Hangup/></Response>"
        call = line.ring()
        assert call.state == "recording"
        call.speak(5, then="#")
        assert call.state == "ended"


def test_texts_cannot_break_out(house: tuple[Configuration, Database], tmp_path: Path) -> None:
    known, database = house
    name = """A&B <Dial>+39899123456</Dial> "'`${x}` */ \u2028 {digits}"""
    named = known.model_copy(update={"service": known.service.model_copy(update={"name": name})})
    with served((named, database), tmp_path) as local:
        line = Line(local, NIGHT)
        call = line.ring()
        assert "A&B <Dial>+39899123456</Dial>" in call.heard()[0]
        assert "<Dial" not in line.roads.bodies[0]


def test_every_language_is_spoken(house: tuple[Configuration, Database], tmp_path: Path) -> None:
    known, database = house
    for language, word in (("en", "emergencies"), ("de", "Notdienst")):
        spoken = [each.model_copy(update={"language": language}) for each in known.number]
        with served((known.model_copy(update={"number": spoken}), database), tmp_path) as local:
            call = Line(local, NIGHT).emergency()
            assert word in call.heard()[0]
            call.ringing[0].answer()
            assert len(call.heard(BRUNO)) == 3


# -- the table ---------------------------------------------------------------------------------


def test_the_same_week_gives_the_same_document(house: tuple[Configuration, Database]) -> None:
    monday, sunday = rome("2026-03-09 12:00"), rome("2026-03-15 23:00")
    assert document(house, monday).digest == document(house, sunday).digest
    assert document(house, sunday + timedelta(hours=6)).digest != document(house, sunday).digest
    for at in (monday, sunday):
        assert document(house, at).table.until - at >= timedelta(days=35)


def test_a_change_of_rota_hours_or_numbers_gives_another(house: tuple[Configuration, Database]) -> None:
    known, database = house
    digests = {document(house).digest}
    fewer = known.model_copy(update={"number": known.number[:2]})
    digests.add(document((fewer, database)).digest)
    other = known.hours.model_copy(update={"pin_windows": ["19:00-08:00"]})
    digests.add(document((known.model_copy(update={"hours": other}), database)).digest)
    with database.write() as connection:
        away(connection, rome("2026-03-13 20:00"), rome("2026-03-13 23:00"))
    digests.add(document(house).digest)
    assert len(digests) == 4


def test_numbers_that_may_not_be_dialled_are_not_in_it(house: tuple[Configuration, Database]) -> None:
    known, database = house
    foreign = ringing(known, countries=["DE"])
    assert document((foreign, database)).table.every_phone() == set()


def test_neither_secrets_nor_names_are_in_it(house: tuple[Configuration, Database]) -> None:
    text = document(house).text
    for word in (TOKEN, "Anna", "anna", "Bruno", "bruno", "pepper", HOST):
        assert word not in text
    assert len(text) < 64 * 1024


def test_segments_agree_with_the_house_at_any_instant(house: tuple[Configuration, Database]) -> None:
    """The table, looked up as the document does, against the house's own hours and ladder."""
    known, database = house
    table = document(house).table
    hours = rules(known).numbers[TRENTO].hours
    row = table.numbers[0]
    draw = random.Random(7)
    start = begins(NIGHT)
    with database.read() as connection:
        for _ in range(300):
            at = start + timedelta(seconds=draw.randrange(int(COVERS.total_seconds())))
            assert [pin for since, pin in row.hours if since <= at][-1] is hours.at(at).pin
            rings = [rings for since, rings in table.ladders["duty"] if since <= at][-1]
            assert [each.address for each in rings] == [
                each.phone for each in roster.ladder(connection, known.ringing, "duty", at)
            ]
