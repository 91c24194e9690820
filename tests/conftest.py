"""What several test modules share: a stage, a real browser, PostgreSQL."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from browser import chrome  # noqa: F401
from hypothesis import HealthCheck, settings
from patient import as_in_service, patiently
from postgres import _postgresql, database_url, new_postgresql, postgresql_url  # noqa: F401
from staging import on_stage

from console.commands.phone import shipped
from console.rehearsing.rehearsal import Rehearsal
from console.settings import Configuration

# By itself Hypothesis fails a test one of whose examples takes 200 ms, or long to be drawn: where a machine
# does something else beside, any of them does, now and then. How long what may take is measured elsewhere.
# What must pass before anything lands draws the same examples each time; everybody else draws others.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")) or os.environ.get("REQUIRE_ALL") == "1",
)
settings.load_profile("house")

# A busy machine keeps no caller's time: whoever tests that asks for `limits_as_in_service`.
patiently()


def _signals_as_usual() -> None:
    """Whoever started the tests may ignore signals or hold them back, and programs that tests start would
    inherit that: told to end they would go on. A handler that does nothing is as good as ignoring, and is
    not inherited.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if threading.current_thread() is not threading.main_thread():  # only there handlers can be set
        return
    for each in (
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGTERM,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        if signal.getsignal(each) is signal.SIG_IGN:
            signal.signal(each, lambda *_: None)
    # Where this one is ignored nobody learns how a program ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


_signals_as_usual()

# Holds every TwiML document that is made while the tests run against Twilio's documentation.
pytest_plugins = ["conformance.watching"]


@pytest.fixture(scope="session")
def shipped_configuration() -> Configuration:
    """The configuration as it is shipped, read once."""
    return shipped()


@pytest.fixture
def limits_as_in_service() -> Iterator[None]:
    """A call's transactions have the time that they have in service, and no more."""
    with as_in_service():
        yield


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
