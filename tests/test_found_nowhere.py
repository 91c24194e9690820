"""A customer goes through everything, is exported and erased, and is found nowhere afterwards: in no file of
the house's folder, whatever it is, the log included, and in none of one that yesterday's backup goes into.

The commands are those that an admin types; the house lies in a folder, and its log in a file.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import time_machine
from click.testing import CliRunner
from making import ACTOR, SECRETS, configuration, fresh_database
from staging import STAGE_IS_SET
from test_erasure import DISTINCTIVE, ELSEWHERE, ON_FILE, inhabited

from console.commands import ivr
from console.demonstration import cast
from console.house import House
from console.processes.standing_by import Keeper, spares
from console.processes.worker import tick
from console.rehearsing.playhouse import Playhouse
from console.watching import logs
from console.watching.keeping import Keeper as Counts
from console.work import APART, HANDLERS, tickets
from ivr.tickets.tickets import KINDS as TICKETS
from storage import ledger
from storage.engine import open_database

DAY = timedelta(days=1)
CODE = "ZNZ-GMBH"
ENVIRONMENT = SECRETS | {
    "IVR_SERVICE_SIGNING_KEY": bytes(range(60, 92)).hex(),
    "IVR_BACKUP_SEALING_KEYS": bytes(range(20, 52)).hex(),
    "IVR_TICKETS_WEBHOOK": "http://127.0.0.1:9/hook",
    "IVR_TICKETS_SECRETS": "whsec_" + base64.b64encode(bytes(range(32))).decode(),
}
AWAY = """\
@ 2026-03-11 01:10
* zed calls trento
< PIN
* the database goes away
> PIN znz-gmbh
< prema 1
> 1
< un caso aperto
> 2
< Il caso
* anna's phone rings
* anna answers
anna < Chiamata
anna > 1
* they talk for 1 minute
* the call ends
* the database comes back
"""
# Of the worker's work what asks nobody outside.
ELSEWHERE_ASKED = {kind for kinds in APART.values() for kind in kinds}
AT_HOME = {kind: do for kind, do in HANDLERS.items() if kind not in ELSEWHERE_ASKED}
# Beside what no other person has: how he is written where people look for him, and his code.
NAMES = (*(each for each in DISTINCTIVE if not each.isdigit()), CODE, "zanzib")
NUMBERS = tuple(number.removeprefix("+39") for number in (ON_FILE, ELSEWHERE))


class Lived(Playhouse):
    """A house in a folder of its own, with its cast."""

    def __init__(self, folder: Path, house: House) -> None:
        super().__init__(house, STAGE_IS_SET)
        self.folder = folder
        cast.enter(self.house, ACTOR, STAGE_IS_SET)
        self.issue("ACME")
        # A helpdesk is told of what happens from now on.
        assert tickets.look(self.outward, STAGE_IS_SET) == 0

    @property
    def outward(self) -> House:
        """The same house, which asks others as it does in service."""
        return replace(self.house, outward=None)


@pytest.fixture
def lived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lived]:
    """A customer of whom something stands wherever something can, and the log of it all."""
    folder = tmp_path / "house"
    folder.mkdir()
    known = configuration(folder, ENVIRONMENT)
    service = known.service.model_copy(update={"log": "json"})
    with (
        fresh_database(folder) as database,
        (folder / "service.log").open("w", encoding="utf-8") as log,
        monkeypatch.context() as patch,
    ):
        patch.setattr("sys.stderr", log)
        logs.begin(known.model_copy(update={"service": service}), "node-1")
        house = Lived(folder, House(known, database))
        inhabited(house)  # type: ignore[arg-type]
        house.play(AWAY)
        # The worker looks until all of it is home, and nobody uses it any more.
        at = house.clock.forward(hours=1)
        house.keeper.bring_home(at)
        assert not house.keeper.spares.standing()
        assert tickets.look(house.outward, at) > 3
        tick(house.outward, at, {kind: HANDLERS[kind] for kind in TICKETS.values()})
        snapshot(house)
        Counts(known, "webhooks").write()
        yield house


def snapshot(house: Playhouse) -> None:
    """What a node serves from without the database, as the worker writes it."""
    assert Keeper(house.house, house.lifeline, spares(house.configuration)).keep(house.clock.now())


class Admin:
    """Whoever types commands, at an instant."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"

    def types(self, at: datetime, *arguments: str) -> str:
        with time_machine.travel(at, tick=False):
            done = CliRunner(env=ENVIRONMENT).invoke(ivr, ["--config", str(self.config), *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout


# -- looking -------------------------------------------------------------------------------------


def forms(text: str) -> Iterator[bytes]:
    """How a text may stand in a file, in small letters."""
    for raw in {text.encode(), text.encode("latin-1")}:
        yield raw.lower()
        yield raw.hex().encode()
        yield "".join(f"\\x{each:02x}" for each in raw).encode()
        for shift in range(3):  # wherever it begins among the groups of three
            encoded = base64.b64encode(b"\0" * shift + raw)
            middle = encoded[4 if shift else 0 : len(encoded) - 4].lower()
            if len(middle) >= 8:  # less may stand anywhere
                yield from {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
    yield from {text[::-1].lower().encode()}
    yield from {each.lower().encode() for each in (quote(text), quote_plus(text), json.dumps(text)[1:-1])}


NEEDLES = {name: tuple(set(forms(name))) for name in (*NAMES, *NUMBERS)}
# What people put between the digits of a number, and what other encodings put between all letters.
BETWEEN = b" .-/()\t\0"


def found(folder: Path) -> dict[str, set[str]]:
    """In which files of the folder each of his names and numbers stands, in whatever form."""
    there: dict[str, set[str]] = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        written = file.read_bytes().lower() + b"\n" + file.name.lower().encode()
        close = written.replace(b"%20", b"").translate(None, BETWEEN)
        for needle, known in NEEDLES.items():
            if any(form in written or form in close for form in known):
                there.setdefault(needle, set()).add(str(file.relative_to(folder)))
    return there


# -- the walk ------------------------------------------------------------------------------------


def test_whoever_is_erased_is_found_nowhere_nor_after_yesterday_s_backup(
    lived: Lived, tmp_path: Path
) -> None:
    folder, admin = lived.folder, Admin(lived.folder)
    yesterday = lived.clock.now()
    admin.types(yesterday, "backup", str(tmp_path / "yesterday.backup"))
    before = found(folder)
    # Of a file of the house, and of the snapshot: so the look finds what is there. The recording is sealed in
    # service, and in a playhouse it lies there as it was heard.
    assert set(before) == set(NEEDLES)
    files = set().union(*before.values())
    assert {"ivr.db-wal", "state/snapshot"} <= files
    assert not [file for file in files if file.endswith(".log")]

    today = yesterday + DAY
    exported = admin.types(today, "customer", "export", CODE)
    document = json.loads(exported)
    assert [name for name in DISTINCTIVE[:-1] if name not in exported] == []
    # A line for each thing: people can read it as it is. Programs may have it on one.
    assert f'\n    "code": "{CODE}",\n' in exported
    on_one_line = admin.types(today, "customer", "export", CODE, "--json")
    assert (json.loads(on_one_line), on_one_line.count("\n")) == (document, 1)
    assert {"calls", "cases", "case_log", "recordings", "notices", "pins", "audit"} <= set(document)
    assert len(document["calls"]) == 4
    assert all(pin not in exported for pin in lived.pins.values())

    done = json.loads(admin.types(today, "customer", "erase", CODE, "--yes", "--json"))
    assert done["log_truncated"]
    assert (done["pins"], done["cases"], done["calls"]) == (1, 3, 4)
    assert found(folder) == {}
    log = (folder / "service.log").read_text("utf-8")
    assert log.count('"ivr.turns"') > 30
    # The house goes on, and still nothing comes back: from a cache, from a list, from work that waited.
    lived.clock.reach(today + timedelta(hours=1))
    lived.play("* acme calls trento\n< PIN\n> PIN acme\n< prema 1\n> hangs up\n")
    tick(lived.house, lived.clock.now(), AT_HOME)
    snapshot(lived)
    assert found(folder) == {}

    again = tmp_path / "again"
    (again / "state").mkdir(parents=True)
    for name in ("config.toml", f"state/{ledger.FILE}"):
        shutil.copy(folder / name, again / name)
    restored = json.loads(
        Admin(again).types(today + DAY, "restore", str(tmp_path / "yesterday.backup"), "--json")
    )
    assert restored["erased"] == 1
    assert found(again) == {}
    # The others are there, and it is served from.
    assert '"ACME"' in Admin(again).types(today + DAY, "customer", "list", "--json")
    there = House(
        lived.configuration.model_copy(update={"folder": again}),
        open_database("sqlite:///ivr.db", folder=again),
    )
    try:
        assert Keeper(there, there.database, spares(there.configuration)).keep(today + DAY)
        tick(there, today + 2 * DAY, AT_HOME)
    finally:
        there.close()
    assert found(again) == {}


def test_without_the_ledger_he_would_be_found(lived: Lived, tmp_path: Path) -> None:
    """So the walk shows what it says."""
    at = lived.clock.now()
    Admin(lived.folder).types(at, "backup", str(tmp_path / "yesterday.backup"))
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(lived.folder / "config.toml", again)
    backup = str(tmp_path / "yesterday.backup")
    Admin(again).types(at + DAY, "restore", backup, "--without-ledger")
    assert set(found(again)) == set(NEEDLES)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_found_in_whatever_form(number: str, tmp_path: Path) -> None:
    ways = [
        f"+39{number}", number[::-1], number.encode().hex(), base64.b64encode(f"x{number}".encode()).decode(),
        quote(f"+39 {number[:3]} {number[3:6]} {number[6:]}"), " ".join(number), f"{number[:3]}-{number[3:]}",
    ]  # fmt: skip
    for place, way in enumerate(ways):
        (tmp_path / "a").write_text(f"before {way} after")
        assert found(tmp_path).get(number) == {"a"}, place
    (tmp_path / "a").write_text("347 111 2201")
    assert found(tmp_path) == {}
