"""Lets the modules here be imported by name wherever pytest was started, and lends them installations."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TESTS = str(Path(__file__).resolve().parents[1])
if TESTS not in sys.path:
    sys.path.append(TESTS)

from acceptance.installation import Clock, Installation, missing  # noqa: E402 (the path comes first)
from acceptance.reading_again import NIGHT, Service  # noqa: E402


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """`installed("name", shifted=True)`: a fresh installation; every service in it ends with the test."""
    made: list[Installation] = []

    def install(name: str, *, shifted: bool = False) -> Installation:
        clock = None
        if shifted:
            try:
                clock = Clock(tmp_path)
            except FileNotFoundError as need:
                missing(str(need))
        installation = Installation(tmp_path / name, clock)
        made.append(installation)
        return installation

    yield install
    for installation in made:
        installation.kill()


@pytest.fixture
def service(installed: Callable[..., Installation]) -> Iterator[Service]:
    installation = installed("edited", shifted=True)
    assert installation.clock is not None
    installation.clock.set(NIGHT)
    installation.ivr("init")
    installation.configure()
    yield Service(installation)
    if installation.service is not None:
        installation.stop()
    assert "Traceback" not in installation.printed.read_text()
