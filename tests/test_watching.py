"""Who may read the metrics, how the counts of several processes come together, and the heartbeat."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from making import EXAMPLE, NIGHT, PEPPER, SECRETS, configuration, fresh_database, with_lines
from pydantic import SecretStr
from scraping import Scraped

from console.app import create_app
from console.house import House
from console.processes.doors import webhook_app
from console.processes.standing_by import Keeper, snapshot_file, spares
from console.settings import ConfigurationRefused, load
from console.watching import keeping
from console.watching.heartbeat import FAILURES, SUCCESS, beat, unwell
from ivr.tally import EDGES, TALLY, Tally, together
from storage import due

TOKEN = "a-token-of-the-metrics-0123"


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    for kept in (TALLY._counts, TALLY._marks, TALLY._spans):
        kept.clear()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_database(tmp_path) as database:
        yield House(configuration(tmp_path, SECRETS | {"IVR_SERVICE_SIGNING_KEY": PEPPER[::-1]}), database)


def with_watching(house: House, **values: str) -> House:
    known = house.configuration
    watching = known.watching.model_copy(update={key: SecretStr(value) for key, value in values.items()})
    return replace(house, configuration=known.model_copy(update={"watching": watching}))


# -- who may read ----------------------------------------------------------------------------------

HERE = "http://127.0.0.1:8081"
PROXIED = [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}, {"Via": "1.1 proxy"}]
PROXIED += [{"X-Real-IP": "203.0.113.9"}, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Host": "console"}]


def asked(house: House, base: str = HERE, address: str = "127.0.0.1", **headers: str) -> int:
    client = create_app(house, lambda: NIGHT).test_client()
    got = client.get("/metrics", base_url=base, environ_base={"REMOTE_ADDR": address}, headers=headers)
    assert (b"ivr_build_info" in got.data) == (got.status_code == 200)
    return got.status_code


def test_this_machine_reads_without_more_ado(house: House) -> None:
    client = create_app(house, lambda: NIGHT).test_client()
    got = client.get("/metrics", base_url=HERE)
    assert got.status_code == 200
    assert got.content_type.startswith("text/plain; version=0.0.4")
    assert got.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in got.headers
    assert client.post("/metrics", base_url=HERE).status_code in (403, 405)
    for base, address in (("http://localhost:8081", "127.0.0.1"), ("http://[::1]:8081", "::1")):
        assert asked(house, base, address) == 200


@pytest.mark.parametrize("headers", PROXIED)
def test_whoever_comes_by_a_proxy_does_not(house: House, headers: dict[str, str]) -> None:
    assert asked(house, **headers) == 403


def test_where_the_console_has_an_address_a_token_is_always_needed(house: House) -> None:
    """A proxy on this machine that passes on the name it was asked for, and says no more, looks like us."""
    known = house.configuration
    console = known.console.model_copy(update={"address": "https://console.example.net"})
    behind = replace(house, configuration=known.model_copy(update={"console": console}))
    for base in (HERE, "http://localhost:8081", "http://localhost"):
        assert asked(behind, base) == 403
    assert asked(with_watching(behind, metrics_token=TOKEN), Authorization=f"Bearer {TOKEN}") == 200


def test_nor_does_any_other_machine_or_name(house: House) -> None:
    assert asked(house, address="192.168.1.9") == 403
    assert asked(house, base="http://console.example.net") == 403
    assert asked(house, address="") == 403


def test_whoever_brings_the_token_does(house: House) -> None:
    known = with_watching(house, metrics_token=TOKEN)
    far = {"base": "https://console.example.net", "address": "192.168.1.9"}
    assert asked(known, **far, Authorization=f"Bearer {TOKEN}") == 200
    assert asked(known, **far, Authorization=f"bearer {TOKEN}", Via="1.1 proxy") == 200
    for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer ", "Bearer è", TOKEN):
        assert asked(known, **far, Authorization=wrong) == 403
    assert asked(house, **far, Authorization="Bearer ") == 403
    assert asked(known) == 200


def test_the_webhook_door_has_none(house: House) -> None:
    client = webhook_app(house, lambda: NIGHT).test_client()
    assert client.get("/metrics").status_code == 404


def test_without_a_database_it_tells_what_it_knows(house: House) -> None:
    house.close()
    (house.configuration.folder / "ivr.db").unlink()
    found = Scraped(house, NIGHT)
    assert found["ivr_database_up"] == 0
    assert found.get("ivr_calls_under_way") is None
    assert not (house.configuration.folder / "ivr.db").exists()


def test_no_label_names_anybody(house: House) -> None:
    """What a scrape says holds neither a number nor the name of a person, of a customer."""
    from test_alerts import a_case, staff

    with house.database.write() as connection:
        staff(connection)
        a_case(connection)
    text = Scraped(house, NIGHT + timedelta(minutes=1)).text.decode().lower()
    for word in ("acme", "anna", "rossi", "39333", "461825060"):
        assert word not in text


def test_a_scrape_costs_the_same_however_many_calls_there_were(house: House) -> None:
    from test_lean import counting

    with counting(house.database) as few:
        Scraped(house, NIGHT)
    assert few.statements < 40
    assert few.writes == 0


# -- the counts of several processes ------------------------------------------------------------------


def counted(tally: Tally) -> Tally:
    tally.count("refused", "too-large")
    tally.took("turn", 0.03, "caller", "database")
    tally.took("turn", 99, "caller", "database")
    tally.mark("worker-tick", 100)
    return tally


def test_what_several_told_is_summed_up_and_marks_are_the_latest() -> None:
    one, other = counted(Tally()), counted(Tally())
    other.mark("worker-tick", 70)
    both = together([one.told(), other.told()])
    assert both["counts"] == {"refused|too-large": 2}
    assert both["marks"] == {"worker-tick": 100}
    (span,) = both["spans"].values()
    assert span[-1] == pytest.approx(2 * 99.03)
    assert sum(span[:-1]) == 4
    assert span[EDGES.index(0.05)] == span[len(EDGES)] == 2


def test_processes_that_ended_still_count_until_the_next_start(house: House) -> None:
    settings = house.configuration
    folder = keeping.folder_of(settings)
    keeping.Keeper(settings, "webhooks", counted(Tally())).write()
    (mine,) = folder.iterdir()
    gone = 2**22 + 1  # beyond the highest pid
    for pid in (gone, gone + 1):
        (folder / f"webhooks-{pid}.json").write_bytes(mine.read_bytes())
    before = keeping.counted(settings)
    assert before["counts"]["refused|too-large"] == 3
    for _ in range(2):
        keeping.gather_the_gone(settings, "webhooks")
        assert keeping.counted(settings) == before
        assert {file.name for file in folder.iterdir()} == {mine.name, "webhooks-gone.json"}
    keeping.Keeper(settings, "work", counted(Tally())).write()
    keeping.start_anew(settings, "webhooks")
    assert [file.name for file in folder.iterdir()] == [f"work-{os.getpid()}.json"]


def test_a_file_that_is_none_is_passed_over(house: House) -> None:
    folder = keeping.folder_of(house.configuration)
    keeping.Keeper(house.configuration, "webhooks", counted(Tally())).write()
    (folder / "webhooks-1.json").write_text('{"counts": {"refused|x"')
    (folder / "webhooks-2.json").write_text("[]")
    assert keeping.counted(house.configuration)["counts"] == {"refused|too-large": 1}
    assert Scraped(house, NIGHT)["ivr_requests_refused_total", "too-large"] == 1


def test_a_disk_that_takes_nothing_costs_counts_and_no_call(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    folder = keeping.folder_of(house.configuration)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    keeper = keeping.Keeper(house.configuration, "webhooks", counted(Tally()))
    keeper.write()
    keeper.write()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    folder.unlink()
    keeper.write()
    assert json.loads(next(folder.iterdir()).read_text())["marks"] == {"worker-tick": 100}


# -- the heartbeat -----------------------------------------------------------------------------------


@contextmanager
def listening(status: int = 200, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that answers so: its address, and what it was asked."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()


def snapshot_written(house: House) -> None:
    assert Keeper(house, house.database, spares(house.configuration)).keep(NIGHT)


def test_it_beats_while_all_is_well(house: House) -> None:
    snapshot_written(house)
    with listening() as (address, heard):
        assert beat(with_watching(house, heartbeat=f"{address}/alive?who=ivr"), NIGHT)
        assert heard == ["/alive?who=ivr"]
    assert TALLY.told()["marks"] == {SUCCESS: NIGHT.timestamp()}
    assert not beat(house, NIGHT)  # none is configured


def test_it_falls_silent_when_something_is_not(house: House) -> None:
    snapshot_written(house)
    with listening() as (address, heard):
        known = with_watching(house, heartbeat=f"{address}/alive")
        assert unwell(known, NIGHT + timedelta(minutes=11)) == "no fresh snapshot"
        with house.database.write() as connection:
            due.add(connection, NIGHT, "alarm", "a", NIGHT - timedelta(minutes=4), {"what": "a"})
        assert unwell(known, NIGHT) == "work is late"
        assert not beat(known, NIGHT)
        snapshot_file(known.configuration).unlink()
        house.close()
        (house.configuration.folder / "ivr.db").unlink()
        assert unwell(known, NIGHT) == "no database"
        assert not beat(known, NIGHT)
        assert heard == []


def test_it_goes_nowhere_else_and_says_no_address(house: House, caplog: pytest.LogCaptureFixture) -> None:
    snapshot_written(house)
    with listening() as (elsewhere, asked_there):
        with listening(302, Location=f"{elsewhere}/secret-place") as (address, heard):
            assert not beat(with_watching(house, heartbeat=f"{address}/secret-path"), NIGHT)
        assert (heard, asked_there) == (["/secret-path"], [])
    assert not beat(
        with_watching(house, heartbeat=f"{address}/secret-path"), NIGHT
    )  # nobody listens any more
    assert TALLY.told()["counts"] == {FAILURES: 2}
    assert "302" in caplog.text
    assert "secret" not in caplog.text


# -- the configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("heartbeat", "https://alive.example.net/x?y=1", True),
        ("heartbeat", "http://127.0.0.1:9000/alive", True),
        ("heartbeat", "http://localhost/alive", True),
        ("heartbeat", "http://alive.example.net/x", False),
        ("heartbeat", "http://169.254.169.254/latest", False),
        ("heartbeat", "http://127.0.0.1.example.net/", False),
        ("heartbeat", "file:///etc/passwd", False),
        ("heartbeat", "https://user:word@alive.example.net/x", False),
        ("heartbeat", "https://alive.example.net:99999/", False),
        ("heartbeat", "alive.example.net", False),
        ("metrics_token", TOKEN, True),
        ("metrics_token", "short", False),
        ("metrics_token", "a blank in a token that is long", False),
    ],
)
def test_what_may_be_configured(tmp_path: Path, key: str, value: str, fits: bool) -> None:
    path = tmp_path / "config.toml"
    path.write_text(with_lines(EXAMPLE.read_text("utf-8"), **{key: f'"{value}"'}), "utf-8")
    if fits:
        found = getattr(load(path, {}).watching, key)
        assert found.get_secret_value() == value
        return
    with pytest.raises(ConfigurationRefused) as error:
        load(path, {})
    (mistake,) = error.value.mistakes
    assert mistake.startswith(f"watching.{key}: expected")
    assert value not in mistake
