"""What an idle worker of the webhook door holds in memory, and what its imports cost, against a bare worker.

The bare one imports what nobody can do without: Flask, TwiML, SQLAlchemy with the driver in use, validation,
the slow hash. Both are processes of their own. Ours is made as `ivr serve` makes it, its application
included; the memory is what it alone holds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from making import ROOT, SECRETS, configuration, fresh_database
from results import Result

ROUNDS, FEW = 15, 3
ROWS = ("import of a webhook worker (CPU)", "memory of an idle webhook worker")
AGAINST = "a bare worker: Flask, twilio.twiml, SQLAlchemy with its driver, pydantic, passlib"

BARE = """
from flask import Flask
from passlib.hash import argon2
from pydantic import BaseModel
from sqlalchemy import create_engine
from twilio.twiml.voice_response import VoiceResponse
app = Flask("bare")
create_engine("sqlite://").connect().close()
"""
OURS = """
import webhooks.app
"""
# As the process that serves calls is made.
MADE = """
import sys
from pathlib import Path
from console.processes.doors import webhook_app
from console.house import open_house
from console.settings import load
app = webhook_app(open_house(load(Path(sys.argv[1]), {secrets}), hurried=True))
"""
TOLD = """
import json, time
spent = time.process_time()
with open("/proc/self/smaps_rollup") as file:
    sizes = dict(line.split(":") for line in file if line.startswith("Private_"))
print(json.dumps([spent, sum(int(size.split()[0]) for size in sizes.values())]))
"""


def measure(quick: bool) -> list[Result]:
    rounds = FEW if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as name:
        folder = Path(name)
        configuration(folder)
        scripts = {"bare": BARE, "imported": OURS, "made": MADE.format(secrets=repr(SECRETS))}
        seen: dict[str, list[tuple[float, int]]] = {each: [] for each in scripts}
        with fresh_database(folder):
            for round_ in range(rounds + 1):
                for each, script in scripts.items():
                    told = _process(script, folder)
                    if round_:  # the first writes what Python keeps of its modules
                        seen[each].append(told)
    cpu = {each: median(told[0] for told in runs) for each, runs in seen.items()}
    memory = {each: median(told[1] for told in runs) for each, runs in seen.items()}
    for each in scripts:
        print(f"        {each}: {cpu[each]:.2f} s of CPU, {memory[each] / 1024:.1f} MiB")
    return [
        Result(ROWS[0], cpu["imported"] / cpu["bare"], 1.5, AGAINST),
        Result(ROWS[1], memory["made"] / memory["bare"], 1.5, AGAINST),
    ]


def _process(script: str, folder: Path) -> tuple[float, int]:
    """Seconds of the processor of a process that runs `script`, and KiB that it alone holds."""
    done = subprocess.run(
        [sys.executable, "-c", script + TOLD, str(folder / "config.toml")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=600,
    )
    cpu, kib = json.loads(done.stdout)
    return cpu, kib
