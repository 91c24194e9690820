"""A ticket as it leaves: by e-mail into one thread, by a webhook that can be believed; its configuration."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner
from helpdesk import SECRET, VALIDATOR, Helpdesk, helpdesk
from mail_server import Server, mail_server
from making import NIGHT, ROME, ROOT, SECRETS, a_case, a_sid, case, configuration, fresh_database, staff
from pydantic import SecretStr, ValidationError
from test_tickets import LANES, MINUTE, RECORDING, SECOND, tell

from console.commands import ivr
from console.doctor import tickets as doctor
from console.doctor.look import Look
from console.house import House
from console.processes.worker import tick
from console.settings import load
from console.tickets import webhook, words
from console.tickets.facts import TYPES
from console.tickets.payload import Happened, Message, Technician, Ticket, schema
from console.tickets.settings import TicketSettings
from console.tickets.webhook import HookFailed
from console.work import tickets
from console.work.tickets import KEPT
from ivr import journal
from ivr.settings import LANGUAGES
from ivr.tickets.ticket_events import ACTS
from ivr.vocabulary import Recording
from oncall.cases import casework

SOUND = b"ID3 the sound of a voice" + bytes(1500)
SIGNED = TicketSettings(webhook=SecretStr("https://x.example/"), secrets=[SecretStr(SECRET)])
NAME = "msg_" + "0" * 31 + "1"


@pytest.fixture(autouse=True)
def rested() -> None:
    tickets._resting.clear()


@pytest.fixture
def desk() -> Iterator[Helpdesk]:
    with helpdesk() as running:
        yield running


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Server]:
    with mail_server(tmp_path) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, post: Server) -> Iterator[House]:
    made = configuration(tmp_path)
    console = made.console.model_copy(update={"address": "https://console.example.net"})
    own = TicketSettings(mail=["support@example.net"], language="en")
    made = made.model_copy(update={"mail": post.settings, "tickets": own, "console": console})
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            staff(connection)
        house = House(made, database)
        tickets.look(house, NIGHT - MINUTE)
        yield house


def with_tickets(house: House, **changed: Any) -> House:
    own = house.configuration.tickets.model_copy(update=changed)
    return replace(house, configuration=house.configuration.model_copy(update={"tickets": own}))


def a_case_with_a_message(house: House) -> str:
    """Opened, with a message whose recording is here; its number."""
    with house.database.write() as connection:
        opened = a_case(connection)
        recording = Recording(RECORDING, "", 34)
        journal.keep_message(connection, NIGHT + SECOND, opened.sid, recording, "announced")
        journal.message_fetched(connection, NIGHT + SECOND, RECORDING, f"{RECORDING}.mp3")
    folder = house.configuration.folder / house.configuration.service.state / "messages"
    folder.mkdir(parents=True)
    (folder / f"{RECORDING}.mp3").write_bytes(SOUND)
    tickets.look(house, NIGHT + MINUTE)
    return opened.number


# -- e-mail ------------------------------------------------------------------------------------


def test_a_case_is_one_thread_of_mail_with_its_recording(house: House, post: Server) -> None:
    number = a_case_with_a_message(house)
    tell(house, NIGHT + MINUTE)
    first, second = post.post.received
    assert first["Subject"] == f"[{number}] P1+ Acme"
    assert second["Subject"] == f"Re: {first['Subject']}"
    assert first["In-Reply-To"] is None
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert first["Message-ID"] == f"<{first['X-Ticket-Id']}@cloudfabric.example>"
    assert first["To"] == "support@example.net"
    (sound,) = second.iter_attachments()
    assert (sound.get_content_type(), sound.get_content()) == ("audio/mpeg", SOUND)
    body = second.get_body()
    assert body is not None
    text = body.get_content()
    assert "a message of 34 seconds" in text
    assert "The recording is attached." in text
    for said in ("Acme (ACME)", "P1+", "2026-03-10 23:00", f"https://console.example.net/cases/{number}"):
        assert said in text


@pytest.mark.parametrize("why", ["too large", "never", "refused", "elsewhere"])
def test_a_recording_that_cannot_go_with_the_mail_is_linked(house: House, post: Server, why: str) -> None:
    if why == "too large":
        house = with_tickets(house, attach_up_to=len(SOUND) // 1000)
    if why == "never":
        house = with_tickets(house, attach_up_to=0)
    a_case_with_a_message(house)
    if why == "elsewhere":
        state = house.configuration.folder / house.configuration.service.state
        (state / "messages" / f"{RECORDING}.mp3").unlink()
    at = NIGHT + MINUTE
    if why == "refused":
        tick(house, at, LANES, 1)  # the first goes
        post.post.data = "552 5.3.4 too large"
        for _ in range(tickets.ATTACHED_TRIES):
            tell(house, at)
            at += timedelta(minutes=30)
        post.post.data = "250 taken"
    tell(house, at)
    _, second = post.post.received
    assert list(second.iter_attachments()) == []
    body = second.get_body()
    assert body is not None
    assert f"Listen to it: https://console.example.net/calls/{a_sid(1)}" in body.get_content()


def test_a_number_may_have_addresses_of_its_own(house: House, post: Server, desk: Helpdesk) -> None:
    """Or none; the webhook hears of all."""
    here, there = house.configuration.number[0].number, house.configuration.number[1].number
    entries = [each.model_copy() for each in house.configuration.number]
    entries[0] = entries[0].model_copy(update={"tickets": ["trento@example.net", "boss@example.net"]})
    entries[1] = entries[1].model_copy(update={"tickets": []})
    made = with_tickets(house, webhook=desk.settings.webhook, secrets=desk.settings.secrets)
    made = replace(made, configuration=made.configuration.model_copy(update={"number": entries}))
    assert tickets.channels_of(made.configuration, here) == ("mail", "webhook")
    assert tickets.channels_of(made.configuration, there) == ("webhook",)
    assert tickets.channels_of(made.configuration, None) == ("mail", "webhook")
    with made.database.write() as connection:
        a_case(connection)
    tickets.look(made, NIGHT)
    post.post.refuses = "boss@example.net"
    tell(made, NIGHT)
    assert post.post.recipients == [["trento@example.net"]]
    assert len(desk.got) == 1


def test_mail_that_fails_is_sent_again(house: House, post: Server) -> None:
    a_case_with_a_message(house)
    post.post.dies = True
    tell(house, NIGHT + MINUTE)
    post.post.dies = False
    tell(house, NIGHT + 2 * MINUTE)
    assert [each["X-Ticket-Type"] for each in post.post.received] == ["case.opened", "message.left"]


def test_a_way_that_is_switched_off_is_not_gone_any_more(house: House, post: Server) -> None:
    a_case_with_a_message(house)
    tell(with_tickets(house, mail=[]), NIGHT + MINUTE)
    tell(house, NIGHT + MINUTE + KEPT)
    assert post.post.received == []


# -- webhook -----------------------------------------------------------------------------------


def vectors() -> list[tuple[str, str, int, str, str]]:
    """The test vectors of the documentation: secret, id, timestamp, body, signature."""
    text = (ROOT / "docs" / "tickets.md").read_text(encoding="utf-8")
    found = re.findall(
        r"secret\s+(\S+)\nid\s+(\S+)\ntimestamp\s+(\d+)\nbody\s+(.*)\nsignature\s+(\S+)\n", text
    )
    return [(secret, name, int(timestamp), body, signed) for secret, name, timestamp, body, signed in found]


def test_signatures_are_as_documented() -> None:
    assert len(vectors()) == 2
    for secret, name, timestamp, body, signed in vectors():
        assert webhook.signature(SecretStr(secret), name, timestamp, body.encode()) == signed


def test_during_a_change_both_secrets_sign() -> None:
    other = "whsec_" + base64.b64encode(b"o" * 24).decode()
    sent = webhook.headers([SecretStr(SECRET), SecretStr(other)], NAME, NIGHT, b"{}")
    stamp = int(NIGHT.timestamp())
    assert sent["webhook-signature"].split(" ") == [
        webhook.signature(SecretStr(each), NAME, stamp, b"{}") for each in (SECRET, other)
    ]


def test_over_tls_only_a_believed_certificate_is_told_anything() -> None:
    authority = trustme.CA()
    mine = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(mine)
    believing = ssl.create_default_context()
    authority.configure_trust(believing)
    body = json.dumps(a_ticket("test", "en").model_dump(mode="json")).encode()
    with helpdesk(mine) as desk:
        with pytest.raises(HookFailed, match="certificate cannot be believed"):
            webhook.post(desk.settings, NAME, NIGHT, body)
        assert desk.asked == 0
        webhook.post(desk.settings, NAME, NIGHT, body, believing)
        assert len(desk.got) == 1


def test_nobody_is_followed_elsewhere(desk: Helpdesk) -> None:
    desk.status, desk.headers = 307, {"Location": f"http://localhost:{desk.server_port}/other"}
    with pytest.raises(HookFailed, match="answered 307"):
        webhook.post(desk.settings, NAME, NIGHT, b"{}")
    assert desk.asked == 1


def test_a_receiver_that_says_nothing_costs_a_while(desk: Helpdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is told of it never holds its address."""
    monkeypatch.setattr(webhook, "SILENCE", 0.05)
    desk.status, done = 500, threading.Event()
    desk.while_asked = lambda: done.wait(30)
    with pytest.raises(HookFailed) as failed:
        webhook.post(desk.settings, NAME, NIGHT, b"{}")
    done.set()
    assert failed.value.why == "no answer in time"


@pytest.mark.parametrize(
    ("given", "wait"), [("120", 120), ("86400", 3600), ("soon", None), ("-1", None), (None, None)]
)
def test_how_long_a_receiver_wants_to_be_left_alone(given: str | None, wait: int | None) -> None:
    assert webhook._seconds(given) == wait


# -- what is said ------------------------------------------------------------------------------


def a_ticket(kind: Any, language: str) -> Ticket:
    who = Technician(key="anna", name="Anna Rossi")
    made = Ticket(
        id=NAME,
        type=kind,
        ticket="test",
        sequence=1,
        occurred_at=NIGHT,
        service="Cloudfabric",
        subject=words.heading(language, ROME, company="Cloudfabric", about=""),
        text="",
        number=None,
        caller=None,
        call_back_to=None,
        customer=None,
        case=None,
        happened=Happened(by="Bea", technician=who, text="<b>\n{case}", other_case="2026-00001"),
        message=Message(recording=RECORDING, seconds=3, recorded_at=NIGHT, link=None),
    )
    return made.model_copy(update={"text": words.written(language, ROME, made)})


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_can_happen_has_words(language: str) -> None:
    assert set(TYPES) == {"opened", "connected", "message", *ACTS.values()}
    for kind in (*TYPES.values(), "test"):
        ticket = a_ticket(kind, language)
        said = ticket.text.split("\n\n")[0]
        assert said or kind in ("case.opened", "case.named")  # of these nothing is known here
        assert "{" not in said.replace("{case}", "")
        assert list(VALIDATOR.iter_errors(ticket.model_dump(mode="json"))) == []


def test_what_people_wrote_is_no_place_to_fill_in() -> None:
    assert "  {case}" in a_ticket("case.note", "en").text


@pytest.mark.parametrize(
    ("given", "heading"),
    [
        (
            {"about": "2026-00412", "first_urgency": "P1", "customer": "A\r\nBcc: x"},
            "[2026-00412] P1 A Bcc: x",
        ),
        ({"about": "2026-00412"}, "[2026-00412] Caller without a verified PIN"),
        ({"about": "", "caller": "+393471112201"}, "[C] Message from +393471112201, 2026-03-10 at 22:00"),
        ({"about": ""}, "[C] Message from a withheld number, 2026-03-10 at 22:00"),
    ],
)
def test_headings(given: dict[str, str], heading: str) -> None:
    assert words.heading("en", ROME, company="C", began=NIGHT, **given) == heading


def test_the_schema_in_the_papers_is_the_one_in_force() -> None:
    """`ivr tickets schema > docs/ticket.schema.json` after a change."""
    done = CliRunner().invoke(ivr, ["tickets", "schema"])
    assert done.output == (ROOT / "docs" / "ticket.schema.json").read_text(encoding="utf-8")
    assert json.loads(done.output) == schema()
    VALIDATOR.check_schema(schema())


# -- configuration, command, doctor ------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"webhook": "http://helpdesk.example.net/"}, "https"),
        ({"webhook": "http://127.0.0.1.example.net/"}, "https"),
        ({"webhook": "file:///etc/passwd"}, "https"),
        ({"webhook": "https://user:word@x.example/"}, "without a user"),
        ({"webhook": "https://x.example/a b"}, "without blanks"),
        ({"webhook": "https://[x.example/"}, "expected an address"),
        ({"webhook": "https://x.example/", "secrets": []}, "secrets: missing"),
        ({"secrets": ["a secret"]}, "24 to 64 random bytes"),
        ({"secrets": ["whsec_" + "AA=="]}, "24 to 64 random bytes"),
        ({"mail": ["nobody"]}, "match pattern"),
        ({"mail": ["a@example.net\nBcc: b@example.net"]}, "match pattern"),
        ({"language": "fr"}, "Input should be"),
    ],
)
def test_what_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TicketSettings.model_validate({"secrets": [SECRET], **given})


@pytest.mark.parametrize("address", ["https://x.example/h?t=1", "http://127.0.0.1:9/", "http://[::1]/"])
def test_what_is_taken(address: str) -> None:
    TicketSettings.model_validate({"secrets": [SECRET], "webhook": address})


def test_the_test_ticket_tells_what_came_of_each_way(
    tmp_path: Path, post: Server, desk: Helpdesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address and the secret come from the environment, and are said nowhere."""
    configuration(tmp_path)
    file = tmp_path / "config.toml"
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    asked = ["--config", str(file), "tickets", "test", "--json"]
    assert "no way is configured" in CliRunner().invoke(ivr, asked).output
    monkeypatch.setenv("IVR_TICKETS_WEBHOOK", desk.settings.webhook.get_secret_value())
    monkeypatch.setenv("IVR_TICKETS_SECRETS", SECRET)
    text = file.read_text(encoding="utf-8")
    mail = post.settings
    mail_lines = f'[mail]\nhost = "localhost"\nport = {mail.port}\nsender = "ivr@example.net"\n'
    mail_lines += f'ca_file = "{mail.ca_file}"\n\n[letters]'
    text = re.sub(r"(?ms)^\[mail\]$.*?^\[letters\]", lambda _: mail_lines, text)
    text = re.sub(r"(?m)^mail = \[\]$", 'mail = ["support@example.net"]', text)
    file.write_text(text, encoding="utf-8")
    assert load(file).origin["tickets.webhook"] == "environment"
    done = CliRunner().invoke(ivr, asked)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert [(each["channel"], each["failed"]) for each in told["ways"]] == [("mail", None), ("webhook", None)]
    assert post.post.received[0]["X-Ticket-Id"] == desk.got[0]["id"] == told["id"]
    assert desk.got[0]["type"] == "test"
    desk.status = 401
    done = CliRunner().invoke(ivr, asked)
    assert done.exit_code == 1
    assert "answered 401" in done.output
    assert "token" not in done.output
    assert SECRET not in done.output


def test_the_doctor_says_what_waits(house: House, post: Server) -> None:
    post.post.recipient = "451 4.3.0 later"
    assert [each.key for each in doctor.check(Look(house, NIGHT))] == ["tickets"]
    with house.database.write() as connection:
        opened = a_case(connection)
        casework.note(connection, "technician:anna", NIGHT, case(connection, opened), "x")
    tickets.look(house, NIGHT)
    tell(house, NIGHT)
    assert [each.level for each in doctor.check(Look(house, NIGHT + doctor.LATE / 2))] == ["green"]
    (finding,) = doctor.check(Look(house, NIGHT + doctor.LATE))
    assert (finding.level, finding.key) == ("yellow", "waiting-mail")
    assert "2 event(s)" in finding.what
    assert "(451 4.3.0)" in finding.what
    off = with_tickets(house, mail=[])
    assert [each.level for each in doctor.check(Look(off, NIGHT + doctor.LATE))] == ["green"]
