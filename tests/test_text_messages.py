"""What technicians write: understood in three languages, acted on once, believed no more than a text message
deserves; and the door it comes through.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import ACCOUNT, ACTOR, NIGHT, TOKEN, Opened, a_case, a_sid, configuration, fresh_database, staff
from sqlalchemy import Connection, insert, select, update
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from console.house import House, rules
from console.processes.doors import sealing, webhook_app
from ivr.standby import luggage
from ivr.text_messages import SAID, WORDS, Asked, TextDesk, TextReceived, read
from oncall.cases import cases, casework
from oncall.cases.cases import PURSUE, Case
from oncall.notices import notices
from oncall.notices.notice_texts import LANGUAGES
from oncall.notices.segments import is_gsm7, segments
from oncall.tables import cases as case_rows
from oncall.tables import notice_sends, shift_checks, technicians, texts_in
from oncall.tables import notices as notice_rows
from storage import due
from storage.engine import open_database
from storage.tables import due_work

ANNA, BRUNO, STRANGER = "+393331234501", "+393331234502", "+393339999999"
OURS = "+390461825060"
URL = "https://ivr.example.net"
MINUTE = timedelta(minutes=1)


# -- what is meant -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("OK 4712", Asked("take", "4712")),
        ("ok 4712", Asked("take", "4712")),
        ("OK4712", Asked("take", "4712")),
        ("  Ok, 4712! ", Asked("take", "4712")),
        ("4712 ok", Asked("take", "4712")),
        ("ok 2026-00412", Asked("take", "2026-00412")),
        ("Prendo il caso 4712", Asked("take", "4712")),
        ("Übernehme 4712", Asked("take", "4712")),
        ("ok", Asked("take")),
        ("Ok grazie", Asked("take")),
        ("Sì", Asked("take")),
        ("Chiuso 4712 riavviato il server", Asked("close", "4712", "riavviato il server")),
        ("CHIUSO 4712", Asked("close", "4712")),
        ("ok chiuso 4712 - riavviato", Asked("close", "4712", "riavviato")),
        ("chiuso riavviato", Asked("close", "", "riavviato")),
        ("closed", Asked("close")),
        ("Erledigt 4712: neu gestartet", Asked("close", "4712", "neu gestartet")),
        ("erledigt", Asked("close")),
        ("gelöst 4712", Asked("close", "4712")),
        ("chiuso 4712 sostituito disco 0815", Asked("close", "4712", "sostituito disco 0815")),
        ("passo 4712", Asked("pass", "4712")),
        ("pass", Asked("pass")),
        ("Weiter!", Asked("pass")),
        ("?", Asked("list")),
        ("aiuto", Asked("list")),
        ("HELP", Asked("list")),
        ("Hilfe", Asked("list")),
        ("STOP", Asked("silence")),
        ("stop.", Asked("silence")),
        ("Alt", Asked("silence")),
        # Never more than was said.
        ("non chiuso 4712", Asked("unclear")),
        ("not ok 4712", Asked("unclear")),
        ("nicht erledigt 4712", Asked("unclear")),
        ("non ok", Asked("unclear")),
        ("ok ti richiamo allo 0461825060", Asked("take")),
        ("telefono 4712", Asked("unclear")),
        ("ok 47123", Asked("take")),
        ("ok ٤٧١٢", Asked("take")),
        ("stop 4712", Asked("unclear")),
        ("4712", Asked("unclear")),
        ("", Asked("unclear")),
        ("👍", Asked("unclear")),
    ],
)
def test_what_a_message_means(text: str, asked: Asked) -> None:
    assert read(text) == asked


@settings(deadline=None)
@given(st.text(max_size=200))
@example("\x00")
@example("ok\n4712")
def test_whatever_is_written_means_something(text: str) -> None:
    found = read(text)
    assert found.act in {*SAID, "unclear"}
    assert found.note in text or found.act == "close"


@settings(deadline=None)
@given(st.sampled_from(sorted(WORDS)), st.integers(0, 9999), st.sampled_from(["", " ", ": ", " - ", "  "]))
def test_a_word_and_a_code_are_enough(word: str, number: int, between: str) -> None:
    found = read(f"{word.upper()}{between}{number:04d}")
    if WORDS[word] != "silence":
        assert (found.act, found.code) == (WORDS[word], f"{number:04d}")


# -- what is done ------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            staff(connection)
        yield House(configuration(tmp_path), database)


@pytest.fixture
def write(house: House) -> Callable[..., str]:
    """`write("ok 4712", sender=ANNA, …)`: the answer to a text message, each with a sid of its own."""
    desk = TextDesk(house.database, rules(house.configuration))
    count = iter(range(1000))

    def written(text: str, sender: str = ANNA, after: timedelta = MINUTE, sid: str = "") -> str:
        return desk.answer(TextReceived(sid or f"SM{next(count):032x}", sender, text), NIGHT + after)

    return written


def opened(house: House, number: int = 1, told: str = "anna") -> Opened:
    with house.database.write() as connection:
        made = a_case(connection, sid=a_sid(number))
        for key in told.split():
            about = f"case:{made.number}"
            notices.tell(connection, NIGHT, "nobody-answered", f"technician:{key}", about, {}, loud=True)
        return made


def the_case(house: House, made: Opened) -> Case:
    with house.database.read() as connection:
        return cases.find(connection, made.number)


def told(house: House, kind: str) -> set[str]:
    with house.database.read() as connection:
        found = select(notice_rows.c.recipient).where(notice_rows.c.kind == kind, notice_rows.c.loud)
        return set(connection.execute(found).scalars())


def test_ok_takes_for_a_while_and_everybody_hears_of_it(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    answer = write(f"ok {made.code}")
    case = the_case(house, made)
    assert (case.taken_by, case.taken_via) == ("anna", "text")
    assert f"Il caso {made.code} è suo" in answer
    holds = timedelta(seconds=house.configuration.ringing.text_take_holds)
    with house.database.read() as connection:
        waits = select(due_work.c.due_at).where(due_work.c.kind == PURSUE, due_work.c.state == due.PENDING)
        assert connection.execute(waits).scalar() == NIGHT + MINUTE + holds
    # The ladder, and the number on the rota of whoever is said to have written.
    assert told(house, "case-taken") == {f"technician:{key}" for key in ("anna", "bruno", "dario")}


def test_any_of_his_phones_will_do(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    with house.database.write() as connection:
        connection.execute(
            update(technicians).where(technicians.c.key == "anna").values(other_phones=[STRANGER])
        )
    write(f"ok {made.code}", STRANGER)
    assert the_case(house, made).taken_by == "anna"


@pytest.mark.parametrize("sender", [STRANGER, "", "anonymous", OURS, "Cloudfabric"])
def test_a_stranger_gets_nothing_and_leaves_nothing(
    house: House, write: Callable[..., str], caplog: pytest.LogCaptureFixture, sender: str
) -> None:
    made = opened(house)
    assert write(f"ok {made.code}", sender) == ""
    assert the_case(house, made).taken_by is None
    assert len(caplog.records) == 1
    assert STRANGER not in caplog.text
    assert made.code not in caplog.text
    with house.database.read() as connection:
        assert connection.execute(select(texts_in)).first() is None


def test_somebody_who_has_left_is_a_stranger(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    with house.database.write() as connection:
        connection.execute(update(technicians).where(technicians.c.key == "anna").values(retired_at=NIGHT))
    assert write(f"ok {made.code}") == ""
    assert the_case(house, made).taken_by is None


def test_ok_alone_takes_the_only_case_he_was_told_of(house: House, write: Callable[..., str]) -> None:
    opened(house, 1, told="bruno")
    mine = opened(house, 2)
    write("ok")
    assert the_case(house, mine).taken_by == "anna"


def test_ok_alone_asks_which_of_several(house: House, write: Callable[..., str]) -> None:
    both = [opened(house, number) for number in (1, 2)]
    answer = write("ok")
    assert answer.startswith("Quale caso?")
    assert all(made.code in answer for made in both)
    assert [the_case(house, made).taken_by for made in both] == [None, None]


def test_ok_alone_with_nothing_to_take(house: House, write: Callable[..., str]) -> None:
    opened(house, told="bruno")
    assert write("ok") == "Non c'è alcun caso aperto per lei."


def test_ok_alone_confirms_the_turn_first(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    with house.database.write() as connection:
        a_check(connection, "bruno")
        mine = a_check(connection, "anna")
    assert "confermato" in write("ok")
    assert the_case(house, made).taken_by is None
    with house.database.read() as connection:
        confirmed = select(shift_checks.c.id).where(shift_checks.c.confirmed_at.is_not(None))
        assert list(connection.execute(confirmed).scalars()) == [mine]
    write("ok")
    assert the_case(house, made).taken_by == "anna"


def a_check(connection: Connection, technician: str) -> int:
    made = connection.execute(
        insert(shift_checks).values(
            rota="duty", rung=1, technician=technician, shift_at=NIGHT + timedelta(hours=1), asked_at=NIGHT
        )
    ).inserted_primary_key
    assert made is not None
    return int(made[0])


def test_a_case_that_somebody_has_is_not_taken_away(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    with house.database.write() as connection:
        casework.take(connection, ACTOR, NIGHT, cases.find(connection, made.number), "bruno")
    assert "Bruno Bianchi" in write(f"ok {made.code}")
    assert the_case(house, made).taken_by == "bruno"
    assert "Bruno Bianchi" in write(f"chiuso {made.code}")
    assert the_case(house, made).closed_at is None
    assert "non è suo" in write(f"passo {made.code}")


def test_taken_twice_is_taken_once(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    write(f"ok {made.code}")
    assert "già suo" in write(f"ok {made.code}", after=2 * MINUTE)
    assert the_case(house, made).taken_at == NIGHT + MINUTE


def test_closed_with_a_note(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    with house.database.write() as connection:
        casework.take(connection, ACTOR, NIGHT, cases.find(connection, made.number), "anna")
    assert "è chiuso" in write(f"Chiuso {made.code} riavviato il server")
    case = the_case(house, made)
    assert (case.closed_by, case.outcome) == ("technician:anna", "riavviato il server")
    assert told(house, "case-closed-by-text") == set()
    assert "già chiuso" in write(f"chiuso {made.code}")


def test_a_closing_before_anybody_talked_to_the_customer_is_announced(
    house: House, write: Callable[..., str]
) -> None:
    made = opened(house)
    write(f"ok {made.code}")
    write(f"chiuso {made.code}", after=2 * MINUTE)
    assert the_case(house, made).closed_at is not None
    assert told(house, "case-closed-by-text") == {f"technician:{key}" for key in ("anna", "bruno", "dario")}


def test_passed_on(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    assert "non è suo" in write(f"passo {made.code}")
    write(f"ok {made.code}")
    assert "passa ad altri" in write("passo", after=2 * MINUTE)
    assert the_case(house, made).taken_by is None


@pytest.mark.parametrize("code", ["9999", "2026-99999"])
def test_a_code_of_nothing(house: House, write: Callable[..., str], code: str) -> None:
    made = opened(house)
    assert code != made.code
    assert code in write(f"ok {code}")
    assert the_case(house, made).taken_by is None


def test_the_list_of_his_cases(house: House, write: Callable[..., str]) -> None:
    assert write("?") == "Non c'è alcun caso aperto per lei."
    mine, others = opened(house, 1), opened(house, 2, told="bruno")
    answer = write("aiuto")
    assert mine.code in answer
    assert "P1+ entro le 23:00" in answer
    assert others.code not in answer


def test_words_of_the_network_are_not_answered(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    assert write("STOP") == ""
    assert the_case(house, made).taken_by is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["ok", "?", "help", "passo", "blah", "chiuso", "ok {code}", "ok 9999"])
def test_every_answer_is_in_his_language_and_takes_one_segment(
    house: House, write: Callable[..., str], language: str, text: str
) -> None:
    with house.database.write() as connection:
        connection.execute(update(technicians).where(technicians.c.key == "anna").values(language=language))
    made = [opened(house, number) for number in range(1, 13)]
    answer = write(text.format(code=made[0].code))
    assert segments(answer) == 1
    assert is_gsm7(answer)
    if text == "blah":
        assert {"it": "CHIUSO", "en": "CLOSED", "de": "ERLEDIGT"}[language] in answer


def test_the_same_message_again_has_its_answer_and_no_effect(house: House, write: Callable[..., str]) -> None:
    made = opened(house)
    sid = "SM" + "a" * 32
    first = write(f"ok {made.code}", sid=sid)
    with house.database.write() as connection:
        gone = update(case_rows).values(taken_at=None, taken_by=None, taken_via=None)
        connection.execute(gone)
    assert write(f"chiuso {made.code}", sid=sid) == first
    case = the_case(house, made)
    assert (case.taken_by, case.closed_at) == (None, None)


def test_what_was_written_is_not_kept(house: House, write: Callable[..., str], tmp_path: Path) -> None:
    made = opened(house)
    write(f"ok {made.code}")
    write("blah supersecretword")
    with house.database.read() as connection:
        kept = connection.execute(select(texts_in).order_by(texts_in.c.sid)).all()
    assert [row.act for row in kept] == ["take", "unclear"]
    assert "supersecretword" not in str(kept)
    assert "Acme" not in str(kept)


def test_the_same_message_at_the_same_instant_acts_once(database_url: str, tmp_path: Path) -> None:
    database = open_database(database_url)
    house = House(configuration(tmp_path), database)
    with database.write() as connection:
        staff(connection)
    made = opened(house)
    desk = TextDesk(database, rules(house.configuration))
    answers: list[str] = []
    together = threading.Barrier(4)

    def send() -> None:
        together.wait()
        got = TextReceived("SM" + "b" * 32, ANNA, f"ok {made.code}")
        answers.append(desk.answer(got, NIGHT + MINUTE))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert "è suo" in answers[0]
    with database.read() as connection:
        assert len(connection.execute(select(texts_in)).all()) == 1
        assert (
            len(connection.execute(select(notice_rows).where(notice_rows.c.kind == "case-taken")).all()) == 3
        )
    database.close()


# -- the door ----------------------------------------------------------------------------------


@pytest.fixture
def client(house: House) -> FlaskClient:
    return webhook_app(house, lambda: NIGHT + MINUTE).test_client()


def signature(path: str, form: list[tuple[str, str]]) -> str:
    """As Twilio computes it."""
    signed = f"{URL}{path}" + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()


def post(
    client: FlaskClient, path: str, *more: tuple[str, str], signed: bool = True, **form: str
) -> TestResponse:
    whole = {"MessageSid": "SM" + "1" * 32, "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", **form}
    pairs = [*whole.items(), *more]
    headers = {"X-Twilio-Signature": signature(path, pairs) if signed else "x"}
    return client.post(path, base_url=URL, data=MultiDict(pairs), headers=headers)


def arrive(client: FlaskClient, *more: tuple[str, str], **form: Any) -> TestResponse:
    return post(client, "/sms", *more, **{"From": ANNA, "To": OURS, "Body": "?", **form})


def test_a_message_is_answered_by_a_message(house: House, client: FlaskClient) -> None:
    made = opened(house)
    got = arrive(client, Body=f"ok {made.code}", SmsSid="SM" + "1" * 32, NumMedia="0", FromCountry="IT")
    assert got.status_code == 200
    assert got.mimetype == "text/xml"
    document = ET.fromstring(got.get_data())
    (message,) = document
    assert (document.tag, message.tag, message.attrib) == ("Response", "Message", {})
    assert message.text is not None
    assert made.code in message.text
    assert the_case(house, made).taken_by == "anna"


def test_a_picture_message_is_a_message(house: House, client: FlaskClient) -> None:
    assert arrive(client, MessageSid="MM" + "1" * 32, Body="").status_code == 200


def test_a_stranger_is_answered_by_nothing(client: FlaskClient) -> None:
    got = arrive(client, From=STRANGER)
    assert got.status_code == 200
    assert list(ET.fromstring(got.get_data())) == []


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"signed": False}, 403),
        ({"AccountSid": "AC" + "f" * 32}, 403),
        ({"AccountSid": ""}, 403),
        ({"To": "+390461000001"}, 403),
        ({"To": ""}, 403),
        ({"To": "called"}, 403),
        ({"MessageSid": "CA" + "1" * 32}, 400),
        ({"MessageSid": "SM" + "1" * 31}, 400),
        ({"MessageSid": "SM" + "1" * 32 + "\n"}, 400),
        ({"MessageSid": ""}, 400),
        ({"Body": "x" * 70_000}, 413),
    ],
)
def test_what_the_door_refuses(house: House, client: FlaskClient, form: dict[str, Any], status: int) -> None:
    made = opened(house)
    assert arrive(client, **{"Body": f"ok {made.code}", **form}).status_code == status
    assert the_case(house, made).taken_by is None


def test_a_parameter_stands_once(client: FlaskClient) -> None:
    assert arrive(client, ("From", ANNA)).status_code == 400
    assert arrive(client, ("Body", "ok")).status_code == 400


def test_a_hidden_parameter_is_refused(client: FlaskClient) -> None:
    """`Body=?` and `Bod=y?` share a signature."""
    pairs = {"AccountSid": ACCOUNT, "Bod": "y?", "From": ANNA, "MessageSid": "SM" + "1" * 32, "To": OURS}
    headers = {"X-Twilio-Signature": signature("/sms", [*pairs.items()])}
    assert client.post("/sms", base_url=URL, data=pairs, headers=headers).status_code == 400


def test_the_body_may_hold_any_word(client: FlaskClient) -> None:
    assert arrive(client, Body="ErrorCode MessageStatus MessageSid From").status_code == 200


def test_only_post(client: FlaskClient) -> None:
    assert client.get("/sms", base_url=URL).status_code == 405
    assert client.get("/sms/status", base_url=URL).status_code == 405


def test_another_sender_of_ours_may_be_written_to(house: House) -> None:
    was = house.configuration
    other = was.notices.model_copy(update={"text_sender": "+390461999999"})
    house = House(was.model_copy(update={"notices": other}), house.database)
    client = webhook_app(house, lambda: NIGHT).test_client()
    assert arrive(client, To="+390461999999").status_code == 200
    assert arrive(client).status_code == 200


# -- receipts ----------------------------------------------------------------------------------

SM = "SM" + "1" * 32


@pytest.fixture
def send(house: House) -> int:
    """A text message that is on its way."""
    with house.database.write() as connection:
        notices.tell(connection, NIGHT, "test", "technician:anna", "x", {}, loud=True)
        made = connection.execute(
            insert(notice_sends).values(
                notice_id=1, channel="text", address=ANNA, state="sent", sid=SM, tried_at=NIGHT
            )
        ).inserted_primary_key
        assert made is not None
        return int(made[0])


def receipt(house: House, client: FlaskClient, contents: dict[str, Any], **form: str) -> int:
    sealed = sealing(house.configuration).close(contents, NIGHT)
    return post(client, f"/sms/status?l={sealed}", MessageStatus="delivered", **form).status_code


def state(house: House, send: int) -> tuple[str, str | None]:
    with house.database.read() as connection:
        row = connection.execute(select(notice_sends).where(notice_sends.c.id == send)).one()
        return row.state, row.why


def test_a_receipt_settles_the_try(house: House, client: FlaskClient, send: int) -> None:
    assert receipt(house, client, luggage.of_text(send)) == 204
    assert state(house, send) == ("delivered", None)


def test_a_receipt_says_why_not(house: House, client: FlaskClient, send: int) -> None:
    sealed = sealing(house.configuration).close(luggage.of_text(send), NIGHT)
    path = f"/sms/status?l={sealed}"
    assert post(client, path, MessageStatus="undelivered", ErrorCode="30003").status_code == 204
    assert state(house, send) == ("refused", "30003")
    assert post(client, path, MessageStatus="delivered").status_code == 204
    assert state(house, send) == ("refused", "30003")


def test_a_receipt_for_another_message_or_address_changes_nothing(
    house: House, client: FlaskClient, send: int
) -> None:
    assert receipt(house, client, luggage.of_text(send), MessageSid="SM" + "2" * 32) == 204
    assert receipt(house, client, luggage.of_text(send + 1), MessageSid="SM" + "2" * 32) == 204
    assert receipt(house, client, {"call": a_sid(1)}) == 403
    assert receipt(house, client, {"text": "x"}) == 204
    assert post(client, "/sms/status", MessageStatus="delivered").status_code == 403
    assert post(client, "/sms/status?l=x", MessageStatus="delivered").status_code == 403
    assert post(client, "/sms/status?l=x", MessageStatus="delivered", signed=False).status_code == 403
    assert state(house, send) == ("sent", None)


def test_nothing_of_a_message_is_logged(
    house: House, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    arrive(client, Body="ok supersecretword")
    arrive(client, Body="supersecretword", From=STRANGER, MessageSid="SM" + "3" * 32)
    assert "supersecretword" not in caplog.text
    assert STRANGER not in caplog.text
