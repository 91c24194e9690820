"""What several test modules share: a stage, a real browser, PostgreSQL."""

import logging
from collections.abc import Callable, Iterator

import pytest
from browser import chrome  # noqa: F401
from hypothesis import settings
from postgres import _postgresql, database_url, new_postgresql, postgresql_url  # noqa: F401
from staging import on_stage

from console.commands.phone import shipped
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration

# By itself Hypothesis fails a test one of whose examples takes 200 ms: on a machine that is busy with
# something else any of them does, now and then. How long what may take is measured elsewhere.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# Holds every TwiML document that is made while the tests run against Twilio's documentation.
pytest_plugins = ["conformance.watching"]


@pytest.fixture(scope="session")
def shipped_configuration() -> Configuration:
    """The configuration as it is shipped, read once."""
    return shipped()


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A part of the service that a test runs writes the log in its own way: afterwards it is as it was."""
    made, root = logging.getLogRecordFactory(), logging.getLogger()
    level, known = root.level, list(root.handlers)
    yield
    logging.getLogger("ivr.turns").setLevel(logging.NOTSET)
    logging.setLogRecordFactory(made)
    root.setLevel(level)
    for handler in set(root.handlers) - set(known):
        root.removeHandler(handler)


@pytest.fixture
def stage(shipped_configuration: Configuration) -> Iterator[Callable[..., Rehearsal]]:
    """`stage(at, …)`: a rehearsal with the cast on stage; closed after the test."""
    opened: list[Rehearsal] = []

    def open_stage(configuration: Configuration | None = None, **more: object) -> Rehearsal:
        opened.append(on_stage(configuration or shipped_configuration, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield open_stage
    for rehearsal in opened:
        rehearsal.close()
