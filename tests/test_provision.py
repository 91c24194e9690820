"""`ivr twilio provision`, against a stand-in for Twilio that is held against Twilio's own documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from making import (
    ACCOUNT,
    NIGHT,
    SECRETS,
    TOKEN,
    configuration,
    everything_written,
    fresh_database,
    with_lines,
)
from twilio_rest.account import Account, routes
from twilio_rest.server import StandIn, serving

from console.commands import ivr, twilio_provision
from console.provisioning import memory
from console.provisioning.plan import deviations, missing
from console.settings import load
from storage import audit, notebook
from storage.engine import open_database
from webhooks.rest.account import RestAccount

OURS = ("+390461825060", "+390461402406", "+390465324963")
FIRST, SECOND, THIRD = OURS
OTHER = "+390461999999"
VOICE = "https://ivr.example.net/voice#ct=2000&rt=4000&tt=8000&rc=1&rp=all"
APPLICATION, TRUNK = "AP" + "1" * 32, "TK" + "2" * 32
STAND_IN = "https://stand-in-1234.twil.io/voice"
BOUGHT = "https://demo.twilio.com/welcome/voice/"


class Command:
    """`ivr twilio provision` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = dict(SECRETS)

    def __call__(self, *arguments: str, typed: str | None = None) -> Result:
        config = str(self.folder / "config.toml")
        return CliRunner(env=self.secrets).invoke(
            ivr, ["--config", config, "twilio", "provision", *arguments], input=typed
        )

    def done(self, *arguments: str) -> str:
        result = self(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def refused(self, *arguments: str) -> str:
        """Its one line; nothing may have been said to be done."""
        result = self(*arguments)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        return one_line(result)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done("--json", *arguments))

    def note(self, content: dict[str, Any]) -> None:
        """The stand-in document is published."""
        database = open_database("sqlite:///ivr.db", folder=self.folder)
        with database.write() as connection:
            notebook.write(connection, NIGHT, memory.STAND_IN, content)
        database.close()

    def acts(self) -> list[tuple[str, str]]:
        database = open_database("sqlite:///ivr.db", folder=self.folder)
        with database.read() as connection:
            found = [
                (each.act, each.subject)
                for number in OURS
                for each in audit.acts(connection, [f"number:{number}"])
            ]
        database.close()
        return found


def one_line(result: Result) -> str:
    assert result.stderr.startswith("ivr: ")
    assert len(result.stderr.splitlines()) == 1
    assert TOKEN not in result.output
    return result.stderr


@pytest.fixture
def account() -> Account:
    """Our three numbers as they are bought, and one of somebody else's in the same account."""
    made = Account(ACCOUNT, TOKEN)
    for number in OURS:
        made.add(number, text=False)
    made.add(OTHER)
    return made


@pytest.fixture
def twilio(account: Account) -> Iterator[StandIn]:
    with serving(account.sid, account.token, routes(account)) as stand_in:
        yield stand_in


@pytest.fixture
def command(tmp_path: Path, twilio: StandIn) -> Iterator[Command]:
    configuration(tmp_path)
    write(tmp_path, f'api_base = "{twilio.base}"')
    with fresh_database(tmp_path):
        yield Command(tmp_path)


def write(folder: Path, line: str) -> None:
    file = folder / "config.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("[twilio]", f"[twilio]\n{line}", 1), encoding="utf-8"
    )


def change(folder: Path, **lines: str) -> None:
    file = folder / "config.toml"
    file.write_text(with_lines(file.read_text(encoding="utf-8"), **lines), encoding="utf-8")


def as_they_stand(account: Account) -> dict[str, dict[str, Any]]:
    """Nothing and an empty text are the same."""
    return {sid: {k: v or "" for k, v in each.items()} for sid, each in account.numbers.items()}


# -- setting up --------------------------------------------------------------------------------


def test_nothing_is_changed_without_yes(command: Command, account: Account, twilio: StandIn) -> None:
    before = as_they_stand(account)
    told = command.done()
    assert "nothing is changed yet" in told
    for expected in (*OURS, BOUGHT, VOICE, "https://ivr.example.net/voice/fallback", "falls with it"):
        assert expected in told
    assert f"left alone, for the configuration has not: {OTHER}" in told
    assert as_they_stand(account) == before
    assert twilio.written == []
    assert command.acts() == []


def test_somebody_at_a_terminal_is_asked(
    command: Command, account: Account, twilio: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio_provision, "_somebody_is_there", lambda: True)
    told = command(typed="n\n")
    assert (told.exit_code, twilio.written) == (0, [])
    assert "Change this at Twilio?" in told.stderr
    assert "nothing is changed" in told.stdout
    assert command(typed="y\n").exit_code == 0
    assert account.number(THIRD)["voice_url"] == VOICE


def test_every_number_of_ours_leads_to_us_and_no_other_is_touched(
    command: Command, account: Account, twilio: StandIn
) -> None:
    account.number(SECOND)["capabilities"]["sms"] = True
    other = dict(account.number(OTHER))
    told = command.done("--yes")
    assert [f"{number} is changed" in told for number in OURS] == [True, True, True]
    for number in OURS:
        found = account.number(number)
        assert found["voice_url"] == VOICE
        assert found["voice_fallback_url"] == "https://ivr.example.net/voice/fallback"
        assert found["status_callback"] == "https://ivr.example.net/voice/status"
        assert {found[f"{each}_method"] for each in ("voice", "voice_fallback", "status_callback")} == {
            "POST"
        }
    # Texts, where the number can have them.
    assert account.number(SECOND)["sms_url"] == "https://ivr.example.net/sms"
    assert account.number(FIRST)["sms_url"].startswith("https://demo.twilio.com")
    assert account.number(OTHER) == other
    assert len(twilio.written) == 3  # a request each: a fallback cannot come before its primary
    assert sorted(command.acts()) == sorted(("twilio.provision", f"number:{each}") for each in OURS)


def test_a_second_run_has_nothing_to_change(command: Command, twilio: StandIn) -> None:
    command.done("--yes")
    asked = len(twilio.written)
    assert "nothing to change" in command.done("--yes")
    assert command.json("--yes")["changes"] == []
    assert len(twilio.written) == asked


def test_only_what_is_wrong_is_written(command: Command, account: Account) -> None:
    command.done("--yes")
    account.number(THIRD).update(voice_url="https://ivr.example.net/voice", status_callback_method="GET")
    found = command.json("--yes")
    assert [(each["number"], each["attribute"], each["from"]) for each in found["changes"]] == [
        (THIRD, "voice_url", "https://ivr.example.net/voice"),
        (THIRD, "status_callback_method", "GET"),
    ]
    assert found["changed"] == [THIRD]
    assert account.number(THIRD)["voice_url"] == VOICE


def test_the_fallback_is_the_published_document_else_the_other_machine(
    command: Command, account: Account
) -> None:
    other = "https://two.example.net/voice/fallback"
    change(command.folder, connection='""', fallback_url=f'"{other}"')
    assert "falls with it" not in command.done("--yes")
    assert account.number(FIRST)["voice_url"] == "https://ivr.example.net/voice"
    assert account.number(FIRST)["voice_fallback_url"] == other
    command.note({memory.ADDRESS: STAND_IN})
    assert "falls with it" not in command.done("--yes")
    assert account.number(FIRST)["voice_fallback_url"] == STAND_IN


def test_one_number_may_be_set_up_alone(command: Command, account: Account) -> None:
    account.numbers.pop(account.number(THIRD)["sid"])
    assert command.json("--yes", "--number", SECOND)["changed"] == [SECOND]
    assert account.number(FIRST)["voice_url"] == BOUGHT
    assert "not a number of the configuration" in command.refused("--yes", "--number", OTHER)


# -- refused, and nothing changed --------------------------------------------------------------


def texted(account: Account) -> None:
    account.number(SECOND)["capabilities"]["sms"] = True
    account.number(SECOND)["sms_application_sid"] = APPLICATION


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            lambda account: account.numbers.pop(account.number(SECOND)["sid"]),
            f"{SECOND} is not in this Twilio",
        ),
        (
            lambda account: account.number(SECOND)["capabilities"].update(voice=False),
            f"{SECOND} cannot take calls",
        ),
        (lambda account: account.number(SECOND).update(voice_application_sid=APPLICATION), APPLICATION),
        (lambda account: account.number(SECOND).update(trunk_sid=TRUNK), TRUNK),
        (texted, APPLICATION),
        (lambda account: setattr(account, "status", "suspended"), "the account is suspended"),
    ],
    ids=["number missing", "no voice", "application", "trunk", "application for texts", "suspended"],
)
def test_what_cannot_be_right_is_refused_whole(
    fault: Any, told: str, command: Command, account: Account, twilio: StandIn
) -> None:
    fault(account)
    before = as_they_stand(account)
    line = command.refused("--yes")
    assert told in line
    assert SECOND in line or account.status == "suspended"
    assert as_they_stand(account) == before
    assert twilio.written == []


@pytest.mark.parametrize("diversion", [{"voice_application_sid": APPLICATION}, {"trunk_sid": TRUNK}])
def test_a_diversion_is_taken_off_when_told_so_and_put_back(
    diversion: dict[str, str], command: Command, account: Account
) -> None:
    account.number(FIRST).update(diversion)
    before = as_they_stand(account)
    assert "--take-over" in command.refused("--yes")
    command.done("--yes", "--take-over")
    assert not account.number(FIRST)["voice_application_sid"]
    assert not account.number(FIRST)["trunk_sid"]
    assert account.number(FIRST)["voice_url"] == VOICE
    command.done("--undo", "--yes")
    assert as_they_stand(account) == before


@pytest.mark.parametrize(
    ("field", "told"), [("TrunkSid", f"left a SIP trunk on it ({TRUNK})"), ("VoiceUrl", "kept voice_url as ")]
)
def test_what_twilio_did_not_take_is_noticed(
    field: str, told: str, command: Command, account: Account
) -> None:
    account.number(FIRST)["trunk_sid"] = TRUNK
    account.left_alone = {field}
    result = command("--yes", "--take-over")
    assert result.exit_code == 1
    line = one_line(result)
    assert f"{FIRST} is not as it should be" in line
    assert told in line


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (401, 20003, "twilio.auth_tokens"),
        (429, 20429, "in a minute"),
        (503, 20503, "20503"),
        (403, 20005, "not active"),
    ],
)
def test_a_failure_to_ask_is_told_with_what_to_do(
    status: int, code: int, told: str, command: Command, twilio: StandIn
) -> None:
    twilio.fail("GET", "IncomingPhoneNumbers", status, code)
    line = command.refused("--yes")
    assert told in line
    assert "nothing is changed" in line


def test_a_wrong_token_is_told(command: Command, twilio: StandIn) -> None:
    command.secrets["IVR_TWILIO_AUTH_TOKENS"] = "fedcba98765432101234567890abcdef"
    line = command.refused("--yes")
    assert "wrong account or token" in line
    assert twilio.asked == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('public_url = ""', "service.public_url"),
        ('public_url = "http://ivr.example.net"', "https://"),
        ('account_sid = ""', "twilio.account_sid"),
    ],
)
def test_without_address_or_account_nothing_is_asked(
    line: str, told: str, command: Command, twilio: StandIn
) -> None:
    key, _, value = line.partition(" = ")
    change(command.folder, **{key: value})
    assert told in command.refused("--yes")
    assert twilio.asked == []


# -- half done ---------------------------------------------------------------------------------


def test_the_number_that_failed_is_named_and_a_second_run_finishes(
    command: Command, account: Account, twilio: StandIn
) -> None:
    twilio.fail("POST", account.number(SECOND)["sid"], 400, 21402)
    result = command("--yes")
    assert result.exit_code == 1
    line = one_line(result)
    assert f"{SECOND} is not as it should be" in line
    assert "docs/api/errors/21402" in line
    assert f"{FIRST} is changed" in result.stdout
    assert f"{THIRD} is changed" in result.stdout
    assert account.number(SECOND)["voice_url"] == BOUGHT
    assert ("twilio.fail", f"number:{SECOND}") in command.acts()
    assert command.json("--yes")["changed"] == [SECOND]
    assert account.number(SECOND)["voice_url"] == VOICE


def test_when_the_account_fails_the_rest_is_not_tried(
    command: Command, account: Account, twilio: StandIn
) -> None:
    twilio.fail("POST", account.number(SECOND)["sid"], 401, 20003)
    result = command("--yes", "--json")
    assert result.exit_code == 1
    assert f"not tried: {THIRD}" in one_line(result)
    document = json.loads(result.stdout)
    assert document["changed"] == [FIRST]
    assert [each["number"] for each in document["failed"]] == [SECOND]
    assert document["untried"] == [THIRD]
    assert command.json("--yes")["changed"] == [SECOND, THIRD]


def test_a_change_whose_answer_was_lost_can_be_undone(
    command: Command, account: Account, twilio: StandIn
) -> None:
    before = as_they_stand(account)
    twilio.fail("POST", account.number(FIRST)["sid"], 500, 20500, done=True)
    assert "may have been done" in one_line(command("--yes"))
    assert account.number(FIRST)["voice_url"] == VOICE
    assert command.json("--undo", "--yes")["changed"] == [FIRST]
    assert as_they_stand(account) == before


# -- undone ------------------------------------------------------------------------------------


def test_undo_puts_back_what_stood_there_before_the_first_change(
    command: Command, account: Account, twilio: StandIn
) -> None:
    assert "nothing to undo" in command.done("--undo", "--yes")
    account.number(FIRST).update(
        voice_url="https://old.example/calls", voice_method="GET", status_callback=""
    )
    before = as_they_stand(account)
    command.done("--yes")
    command.note({memory.ADDRESS: STAND_IN})
    command.done("--yes")
    written = len(twilio.written)
    assert "nothing is changed yet" in command.done("--undo")
    assert len(twilio.written) == written
    told = command.done("--undo", "--yes")
    assert "https://old.example/calls" in told
    assert as_they_stand(account) == before
    assert "nothing to undo" in command.done("--undo", "--yes")
    assert ("twilio.undo", f"number:{FIRST}") in command.acts()


def test_what_somebody_else_has_changed_since_is_not_undone_unless_forced(
    command: Command, account: Account, twilio: StandIn
) -> None:
    command.done("--yes")
    account.number(SECOND)["voice_url"] = "https://them.example/new?key=abcdef"
    written = len(twilio.written)
    line = command.refused("--undo", "--yes")
    assert f"{SECOND}: voice_url is now https://them.example/new" in line
    assert "abcdef" not in line
    assert len(twilio.written) == written
    assert command.json("--undo", "--yes", "--number", FIRST)["changed"] == [FIRST]
    assert account.number(SECOND)["status_callback"]
    command.done("--undo", "--yes", "--force")
    assert account.number(SECOND)["voice_url"] == BOUGHT


def test_an_undo_that_failed_half_way_is_finished_by_the_next(
    command: Command, account: Account, twilio: StandIn
) -> None:
    command.done("--yes")
    twilio.fail("POST", account.number(SECOND)["sid"], 503, 20503)
    assert f"not tried: {THIRD}" in one_line(command("--undo", "--yes"))
    assert account.number(FIRST)["voice_url"] == BOUGHT
    account.numbers.pop(account.number(THIRD)["sid"])
    told = command.json("--undo", "--yes")
    assert told["changed"] == [SECOND]
    assert "no longer in the account" in told["notes"][0]
    assert "no longer" not in command.done("--undo", "--yes")


def test_what_cannot_be_written_down_is_not_changed(command: Command, twilio: StandIn) -> None:
    database = open_database("sqlite:///ivr.db", folder=command.folder)
    with database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON notebook BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    database.close()
    assert "the database failed" in one_line(command("--yes"))
    assert twilio.written == []
    assert command.acts() == []


def test_a_password_in_somebodys_address_is_put_back_and_never_shown(
    command: Command, account: Account
) -> None:
    theirs = "https://them:hunter2secret@old.example/calls?key=s3cr3tkey"
    account.number(FIRST)["voice_url"] = theirs
    told = command.done("--yes") + command.done("--undo") + str(command.json("--undo"))
    told += command.done("--undo", "--yes")
    assert "https://…@old.example/calls?…" in told
    assert "hunter2" not in told
    assert "s3cr3t" not in told
    assert account.number(FIRST)["voice_url"] == theirs
    assert TOKEN.encode() not in everything_written(command.folder)


# -- compared by others -------------------------------------------------------------------------


def test_what_deviates_is_told_to_whoever_compares(command: Command, account: Account) -> None:
    read = load(command.folder / "config.toml", SECRETS)
    account.number(FIRST)["trunk_sid"] = TRUNK
    account.numbers.pop(account.number(THIRD)["sid"])
    found = deviations(read, RestAccount(read.twilio).numbers(), STAND_IN)
    assert missing(read, RestAccount(read.twilio).numbers()) == [THIRD]
    assert [(each.attribute, each.before, each.after) for each in found if each.number == FIRST] == [
        ("trunk_sid", TRUNK, ""),
        ("voice_url", BOUGHT, VOICE),
        ("voice_fallback_url", "", STAND_IN),
        ("status_callback", "", "https://ivr.example.net/voice/status"),
    ]
    assert {each.number for each in found} == {FIRST, SECOND}
    command.note({memory.ADDRESS: STAND_IN})
    command.done("--yes", "--take-over", "--number", FIRST, "--number", SECOND)
    assert deviations(read, RestAccount(read.twilio).numbers(), STAND_IN) == []


# -- said beside it ----------------------------------------------------------------------------


def test_it_is_said_what_else_should_be_looked_at(
    command: Command, account: Account, twilio: StandIn
) -> None:
    account.kind = "Trial"
    account.countries = {"IT": False, "DE": True, "FR": False}
    account.risky = ["DE"]
    notes = "\n".join(command.json()["notes"])
    assert "on trial" in notes
    assert "may not dial IT" in notes
    assert "may dial DE, which" in notes
    assert "high-risk numbers of DE" in notes
    assert "FR" not in notes
    twilio.fail("GET", "DialingPermissions", 500, 20500)
    assert "could not be asked" in "\n".join(command.json("--yes")["notes"])
    assert account.number(FIRST)["voice_url"] == VOICE
