"""The document is published at Twilio by a command, kept fresh by the worker, and alarmed when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from making import ACCOUNT, NIGHT, SECRETS, TOKEN, configuration, fresh_database, rome, staff
from sqlalchemy import select
from stand_in.walking import running, telephone
from twilio_rest.server import StandIn, serving
from twilio_rest.serverless import Functions, routes

from console.commands import ivr
from console.house import House, open_house
from console.provisioning import memory
from console.settings import load
from console.stand_in import publishing
from console.stand_in.publishing import PublishFailed, publish, published, wanted
from console.work import stand_in
from oncall.rota import absences
from storage import alarms, audit, notebook
from storage.due import Work
from storage.tables import due_work

WORK = Work(1, stand_in.KEEP, stand_in.KEY, {}, NIGHT, 1, "lease", NIGHT)
MINUTE = timedelta(minutes=1)


def no_pause(_: float) -> None:
    pass


@pytest.fixture
def functions() -> Functions:
    return Functions(ACCOUNT)


@pytest.fixture
def twilio(functions: Functions) -> Iterator[StandIn]:
    with serving(ACCOUNT, TOKEN, routes(functions)) as stand_in:
        yield stand_in


@pytest.fixture
def house(tmp_path: Path, twilio: StandIn) -> Iterator[House]:
    configuration(tmp_path)
    file = tmp_path / "config.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[twilio]", f'[twilio]\napi_base = "{twilio.base}"', 1), encoding="utf-8")
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection, rome("2026-01-01 00:00"))
    house = open_house(load(file, SECRETS))
    yield house
    house.close()


def put(house: House, at: Any = NIGHT) -> Any:
    document, _ = wanted(house, at)
    return publish(house, "test", at, document, pause=no_pause)


def keep(house: House, at: Any) -> Any:
    return stand_in.keep(house, WORK, at, no_pause)


def bruno_is_away(house: House) -> None:
    with house.database.write() as connection:
        start, end = rome("2026-03-13 20:00"), rome("2026-03-13 23:00")
        absences.add(connection, "test", NIGHT, "bruno", start, end, "holiday")


def raised(house: House) -> list[str]:
    with house.database.read() as connection:
        return [str(each.raised["what"]) for each in alarms.raised_since(connection, NIGHT - MINUTE)]


def test_it_is_published_and_remembered(house: House, functions: Functions, tmp_path: Path) -> None:
    made = put(house)
    assert made.address == "https://after-hours-stand-in-1234.twil.io/stand-in"
    served = functions.served()
    assert served is not None
    assert (served.path, served.visibility) == ("/stand-in", "protected")
    assert served.text == wanted(house, NIGHT)[0].text
    (service,) = functions.services.values()
    assert service["include_credentials"] is False
    (build,) = functions.builds.values()
    assert build["runtime"] == "node22"
    with house.database.read() as connection:
        assert published(connection) == made
        assert memory.fallback_address(connection) == made.address
        assert [each.act for each in audit.acts(connection, ["stand-in"])] == ["twilio.stand-in"]
        note = notebook.read(connection, memory.STAND_IN)
    assert TOKEN not in json.dumps(note.content if note else {})
    with running(served.text, tmp_path) as local:  # what arrived there runs
        call = telephone(local, NIGHT)[0].ring("+393471112201", "+390461825060")
        assert call.state == "gathering"


def test_the_next_one_takes_its_place(house: House, functions: Functions) -> None:
    put(house)
    bruno_is_away(house)
    before = functions.served()
    put(house, NIGHT + MINUTE)
    assert functions.served() != before
    counts = (functions.services, functions.environments, functions.functions, functions.builds)
    assert [len(each) for each in counts] == [1, 1, 1, 1]
    assert len(functions.removed) == 1


def test_a_build_that_fails_leaves_the_one_before(house: House, functions: Functions) -> None:
    put(house)
    before = functions.served()
    bruno_is_away(house)
    functions.failing = True
    with pytest.raises(PublishFailed, match="could not build"):
        put(house)
    functions.failing, functions.looks = False, 10_000
    with pytest.raises(PublishFailed, match="did not finish"):
        put(house)
    assert functions.served() == before


STEPS = [
    ("GET", "/v1/Services"),
    ("POST", "/v1/Services"),
    ("POST", "/Environments"),
    ("POST", "/Versions"),
    ("POST", "/Builds"),
    ("GET", "/Status"),
    ("POST", "/Deployments"),
]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(("method", "path"), STEPS)
def test_whatever_fails_on_the_way_it_can_be_run_again(
    house: House, functions: Functions, twilio: StandIn, method: str, path: str, done: bool
) -> None:
    twilio.fail(method, path, 500, 20500, done=done)
    with pytest.raises(PublishFailed) as failed:
        put(house)
    assert TOKEN not in str(failed.value)
    with house.database.read() as connection:
        assert published(connection) is None
    made = put(house)
    assert functions.served() is not None
    assert (len(functions.services), len(functions.environments)) == (1, 1)
    assert made.digest == wanted(house, NIGHT)[0].digest


def test_old_builds_that_stay_are_no_failure(house: House, functions: Functions, twilio: StandIn) -> None:
    put(house)
    bruno_is_away(house)
    twilio.fail("DELETE", "/Builds/", 500, 20500)
    put(house)
    assert len(functions.builds) == 2


# -- the worker --------------------------------------------------------------------------------


def test_nothing_is_published_before_somebody_has(house: House, twilio: StandIn) -> None:
    assert keep(house, NIGHT) == NIGHT + stand_in.EVERY
    assert twilio.asked == []


def test_a_change_is_published_and_nothing_else(house: House, functions: Functions) -> None:
    put(house)
    for minutes in (3, 6, 60, 24 * 60):
        keep(house, NIGHT + minutes * MINUTE)
    assert len(functions.deployments) == 1
    bruno_is_away(house)
    keep(house, NIGHT + 90 * MINUTE)
    keep(house, NIGHT + 93 * MINUTE)
    assert len(functions.deployments) == 2
    monday = rome("2026-03-16 01:30")  # a new week in UTC
    keep(house, monday)
    assert len(functions.deployments) == 3
    with house.database.read() as connection:
        known = published(connection)
    assert known is not None
    assert known.good(monday) > timedelta(days=41)
    assert raised(house) == []


def test_one_that_stays_behind_is_alarmed_after_an_hour(house: House, twilio: StandIn) -> None:
    put(house)
    bruno_is_away(house)
    twilio.fail("GET", "/v1/Services", 500, 20500, times=100)
    assert keep(house, NIGHT) == NIGHT + stand_in.AGAIN
    keep(house, NIGHT + 59 * MINUTE)
    assert raised(house) == []
    keep(house, NIGHT + 61 * MINUTE)
    assert raised(house) == ["stand-in-stale"]
    twilio.faults.clear()
    keep(house, NIGHT + 71 * MINUTE)
    with house.database.read() as connection:
        assert notebook.read(connection, stand_in.BEHIND) is None


def test_one_whose_end_is_near_is_alarmed(house: House, twilio: StandIn) -> None:
    made = put(house)
    twilio.fail("GET", "/v1/Services", 500, 20500, times=100)
    keep(house, made.covers_until - timedelta(days=8))
    assert "stand-in-ends" not in raised(house)
    keep(house, made.covers_until - timedelta(days=6))
    assert "stand-in-ends" in raised(house)


def test_it_may_be_left_to_the_command(house: House, functions: Functions) -> None:
    put(house)
    bruno_is_away(house)
    twilio = house.configuration.twilio.model_copy(update={"stand_in": False})
    left = House(house.configuration.model_copy(update={"twilio": twilio}), house.database)
    keep(left, NIGHT + MINUTE)
    assert len(functions.deployments) == 1


def test_it_is_looked_after_once(house: House) -> None:
    stand_in.plan(house, NIGHT)
    stand_in.plan(house, NIGHT)
    with house.database.read() as connection:
        rows = connection.execute(select(due_work.c.id).where(due_work.c.kind == stand_in.KEEP)).all()
    assert len(rows) == 1


# -- the command -------------------------------------------------------------------------------


def command(house: House, *arguments: str) -> Result:
    config = str(house.configuration.folder / "config.toml")
    return CliRunner(env=SECRETS).invoke(ivr, ["--config", config, "twilio", "fallback", *arguments])


def test_the_command(house: House, functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "BETWEEN_LOOKS", 0.0)
    assert command(house).stdout.startswith("not published")
    assert command(house, "--json", "--publish").exit_code == 0
    told = json.loads(command(house, "--json").stdout)
    assert (told["published"], told["fresh"], told["changed"]) == (True, True, False)
    again = command(house, "--publish")
    assert "published: https://after-hours-stand-in-1234.twil.io/stand-in" in again.stdout
    assert len(functions.deployments) == 1
    shown = command(house, "--print").stdout
    assert shown.startswith("'use strict';")
    assert "exports.handler" in shown


def test_what_is_refused(house: House, twilio: StandIn) -> None:
    twilio.fail("GET", "/v1/Services", 401, 20003, times=5)
    failed = command(house, "--publish")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.startswith("ivr: not published: wrong account or token")
    assert command(house, "--print", "--publish").exit_code == 2
