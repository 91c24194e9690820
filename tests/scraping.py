"""Reads `/metrics` as Prometheus does, and starts its own tool on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from console.house import House
from console.watching.page import exposition


def promtool(*arguments: str, given: bytes = b"", folder: Path | None = None) -> str:
    """What it says; it must find nothing wrong. Else skips, or fails under REQUIRE_ALL=1."""
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is missing (Debian: prometheus): alert rules and metrics cannot be held against it"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    done = subprocess.run([program, *arguments], input=given, capture_output=True, cwd=folder, timeout=300)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


class Scraped:
    """The metrics of a house at an instant: `scraped["ivr_cases_open", "P1+"]`, labels in their order."""

    def __init__(self, house: House, at: datetime) -> None:
        self.text = exposition(house, at)
        self.at = at
        self.values: dict[tuple[str, ...], float] = {}
        self.families: dict[str, str] = {}
        for family in text_string_to_metric_families(self.text.decode()):
            self.families[family.name] = family.type
            for sample in family.samples:
                self.values[sample.name, *(value for _, value in sorted(sample.labels.items()))] = (
                    sample.value
                )

    def __getitem__(self, key: tuple[str, ...] | str) -> float:
        return self.values[(key,) if isinstance(key, str) else key]

    def get(self, *key: str) -> float | None:
        return self.values.get(key)
