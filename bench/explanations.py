"""How many instants `ivr explain --at -` explains in a second of the processor, its start included."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from making import EXAMPLE, ROOT, configuration, fresh_database
from results import Result

from console.demonstration import cast
from console.house import House

INSTANTS = 100_000
WANTED = 20_000  # a second
YEARS = 10
BEGIN = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
ROWS = ("ivr explain --at -, 100,000 instants (CPU)",)


def measure(quick: bool) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as name:
        folder = Path(name)
        asked = _prepared(folder, INSTANTS)
        took = median(_explained(folder, asked, INSTANTS) for _ in range(1 if quick else 5))
    print(f"        {INSTANTS / took:,.0f} a second")
    return [Result(ROWS[0], WANTED * took / INSTANTS, 1, f"{WANTED:,} a second")]


def _prepared(folder: Path, instants: int) -> Path:
    """A house with the cast's rota, and a file of instants anywhere in the years."""
    with fresh_database(folder) as database:
        cast.enter(House(configuration(folder), database), "bench", BEGIN)
    (folder / "config.toml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    drawn = random.Random(1)
    minutes = YEARS * 365 * 24 * 60
    lines = [(BEGIN + timedelta(minutes=drawn.randrange(minutes))).isoformat() for _ in range(instants)]
    (folder / "instants").write_text("\n".join(lines) + "\n", encoding="ascii")
    return folder / "instants"


def _explained(folder: Path, asked: Path, instants: int) -> float:
    """Seconds of the processor of the whole command."""
    command = [sys.executable, "-m", "console.commands", "--config", str(folder / "config.toml")]
    answered = folder / "answered"
    with asked.open("rb") as source, answered.open("wb") as target:
        process = subprocess.Popen(
            [*command, "explain", "--at", "-"],
            stdin=source,
            stdout=target,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    with answered.open("rb") as lines:
        assert sum(1 for _ in lines) == instants
    return used.ru_utime + used.ru_stime
