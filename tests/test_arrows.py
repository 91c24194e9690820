"""Which package may import which: the picture of the house, held against every import statement."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import ROOT

# webhooks and console are the doors; a door may know the conversation, the conversation no door.
ARROWS = {
    "webhooks": {"ivr"},
    "console": {"ivr", "webhooks", "pins", "oncall", "storage"},
    "ivr": {"pins", "oncall", "storage"},
    "pins": {"storage"},
    "oncall": {"storage"},
    "storage": set(),
}
# One module that a file or folder may know beside the picture: what the rota asks of who telephones for it.
BESIDE = {"webhooks/outbound.py": "oncall.notices.channels", "webhooks/rest/": "oncall.notices.channels"}
# Files that may import the standard library and these modules, nothing else.
PURE = {
    "ivr/vocabulary.py": set(),
    "ivr/flow.py": {"ivr.vocabulary"},
    "ivr/technician_flow.py": {"ivr.vocabulary"},
    "ivr/outgoing_flow.py": {"ivr.vocabulary"},
}
# A library, and the only folders or files that may import it; () for none.
KEPT_APART = {
    "twilio.rest": ("webhooks/rest/line.py",),
    "passlib": ("pins/index.py", "console/access/passwords.py"),
    "twilio": ("webhooks/", "console/phone/"),
    "flask": ("webhooks/", "console/"),
    "werkzeug": ("webhooks/", "console/"),
    "apscheduler": ("console/processes/worker.py",),
    "gunicorn": ("console/processes/serving.py",),
    "alembic": ("storage/",),
    "phonenumbers": ("oncall/phones.py",),
    "holidays": ("ivr/settings.py",),
    "cryptography": ("ivr/standby/luggage.py", "pins/outbox.py", "storage/sealed_file.py", "console/"),
    "typst": ("pins/letters.py",),
    "smtplib": ("console/outbound/mail.py",),
    "icalendar": ("oncall/calendars/calendar.py", "oncall/calendars/calendar_import.py"),
    "apprise": ("console/outbound/services.py",),
    "prometheus_client": ("console/watching/page.py",),
    "authlib": ("console/access/oidc.py",),
    "joserfc": ("console/access/oidc.py",),
    "opentelemetry": ("console/watching/otlp.py",),
}
# Packages that are told what time it is.
TOLD_THE_TIME = ("ivr", "pins", "oncall", "storage")
READS_THE_CLOCK = {"now", "utcnow", "today", "time_ns", "monotonic", "current_timestamp"}


def files(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Each source file of the six packages, by its path from `root`."""
    for package in ARROWS:
        for file in sorted((root / package).rglob("*.py")):
            name = file.relative_to(root).as_posix()
            yield name, ast.parse(file.read_text(encoding="utf-8"), name)


def imported(name: str, tree: ast.Module) -> Iterator[str]:
    """Every module the file imports, wherever the statement stands, as dotted names.

    `from ivr import flow` counts as ivr.flow, for flow may be a module.
    """
    package = name.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield from (f"{module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "import_module",
            "__import__",
        ):
            yield of_call(node.args[0])


def of_call(argument: ast.expr) -> str:
    """What an import by a call names: a constant, or a computed module of a constant package."""
    match argument:
        case ast.Constant(str(module)):
            return module
        case ast.JoinedStr([ast.Constant(str(start)), _]) if start.endswith("."):
            return start.rstrip(".")
        case _:
            return "<computed>"


def within(module: str, parent: str) -> bool:
    return module == parent or module.startswith(parent + ".")


def wrong_arrows(root: Path) -> list[str]:
    """Every import below `root` that is not in the picture, as "file: module"."""
    wrong: list[str] = []
    for name, tree in files(root):
        own = name.split("/")[0]
        allowed = ARROWS[own] | {own}
        if name.startswith("storage/migrations/"):
            allowed = set()
        for module in imported(name, tree):
            top = module.split(".")[0]
            if name.startswith("console/phone/"):
                misplaced = top in ARROWS and not within(module, "console.phone")
            elif name in PURE:
                library = top not in sys.stdlib_module_names and top != "__future__"
                misplaced = library and not any(within(module, each) for each in PURE[name])
            else:
                known = any(within(module, one) for home, one in BESIDE.items() if name.startswith(home))
                misplaced = top in ARROWS and top not in allowed and not known
            if own == "webhooks" and top in ("sqlalchemy", "storage"):
                misplaced = True
            for library, homes in KEPT_APART.items():
                if within(module, library) and not any(name.startswith(home) for home in homes):
                    misplaced = True
            if misplaced or top in ("<computed>", "tests"):
                wrong.append(f"{name}: {module}")
    return wrong


# How long a transaction has taken is no instant: the one place that may ask for the time that has passed.
MEASURES = frozenset({"storage/limits.py"})


def clock_readers(root: Path) -> list[str]:
    """Every place that reads a clock in a package that is told the time."""
    found: list[str] = []
    for name, tree in files(root):
        if name.split("/")[0] not in TOLD_THE_TIME:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                reads = node.attr in READS_THE_CLOCK or ast.unparse(node) == "time.time"
                reads = reads and not (name in MEASURES and node.attr == "monotonic")
            elif isinstance(node, ast.ImportFrom):
                reads = node.module == "time"
            else:
                reads = isinstance(node, ast.Import) and any(each.name == "time" for each in node.names)
                reads = reads and name not in MEASURES
            if reads:
                found.append(f"{name}:{node.lineno}")
    return found


def test_every_import_is_an_arrow_of_the_picture() -> None:
    assert wrong_arrows(ROOT) == []


def test_the_walk_sees_the_house() -> None:
    seen = {name for name, _ in files(ROOT)}
    assert {"ivr/flow.py", "webhooks/twiml.py", "console/commands/rota.py", "console/phone/call.py"} <= seen
    assert set(PURE) <= seen
    assert any(name.startswith("storage/migrations/versions/") for name in seen)


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("webhooks/voice.py", "from storage import due"),
        ("webhooks/voice.py", "import sqlalchemy"),
        ("webhooks/voice.py", "from console import house"),
        ("webhooks/voice.py", "from pins.registry import find_pin"),
        ("webhooks/app.py", "from twilio.rest import Client"),
        ("webhooks/sms.py", "def send():\n    import twilio.rest"),
        ("webhooks/voice.py", "from oncall.notices.channels import Telephone"),
        ("webhooks/outbound.py", "from oncall import notices"),
        ("webhooks/outbound.py", "from oncall.notices import notices"),
        ("console/outbound/channels.py", "import apprise"),
        ("oncall/rota/roster.py", "import icalendar"),
        ("ivr/desk.py", "import webhooks.twiml"),
        ("ivr/desk.py", "def late():\n    from console.house import House"),
        ("ivr/desk.py", "import flask"),
        ("ivr/flow.py", "from ivr import desk"),
        ("ivr/flow.py", "import pydantic"),
        ("ivr/flow.py", "from ivr import journal as vocabulary"),
        ("ivr/vocabulary.py", "from ivr.hours import State"),
        ("ivr/technician_flow.py", "from oncall import cases"),
        ("pins/registry.py", "from oncall import cases"),
        ("pins/registry.py", "from passlib.hash import argon2"),
        ("oncall/rota/roster.py", "from pins import registry"),
        ("oncall/rota/roster.py", "from ivr.vocabulary import Call"),
        ("oncall/rota/roster.py", "import importlib\nimportlib.import_module('pins.registry')"),
        ("storage/due.py", "import oncall"),
        ("storage/migrations/versions/m0002.py", "from storage.types import Instant"),
        ("storage/migrations/versions/m0002.py", "import pins.tables"),
        ("console/phone/call.py", "from webhooks import twiml"),
        ("console/phone/call.py", "from console.settings import load"),
        ("console/processes/worker.py", "from twilio.rest import Client"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path: Path, file: str, statement: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(statement)
    assert len(wrong_arrows(tmp_path)) == 1


def test_nothing_below_the_doors_reads_a_clock() -> None:
    assert clock_readers(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "at = datetime.now(UTC)",
        "at = datetime.datetime.utcnow()",
        "day = date.today()",
        "import time",
        "from time import time",
        "default = datetime.now",
        "func.now()",
    ],
)
@pytest.mark.parametrize("package", TOLD_THE_TIME)
def test_a_clock_is_found(tmp_path: Path, package: str, line: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "late.py").write_text(line)
    assert len(clock_readers(tmp_path)) == 1
