"""How long a transaction may take: one thread watches over all of them, in whatever order they end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from making import ROOT

from storage.engine import open_database
from storage.limits import _Limit, _Watch

LONG = 60.0


class Noted:
    """Stands for the limit of a transaction; `up` is set when its time is."""

    def __init__(self, *, fails: bool = False) -> None:
        self.ended, self.up, self._fails = False, threading.Event(), fails

    def expire(self) -> None:
        self.up.set()
        if self._fails:
            raise OSError("no such descriptor")


def add(watch: _Watch, limit: Noted, seconds: float) -> Noted:
    watch.add(limit, seconds)  # type: ignore[arg-type]
    return limit


def test_whoever_is_up_first_is_told_first_whoever_came_first() -> None:
    watch = _Watch()
    late, early = add(watch, Noted(), LONG), add(watch, Noted(), 0.01)
    assert early.up.wait(60)
    assert not late.up.is_set()


def test_what_ended_in_time_is_never_told() -> None:
    watch = _Watch()
    kept = add(watch, Noted(), 0.01)
    kept.ended = True
    after = add(watch, Noted(), 0.02)
    assert after.up.wait(60)
    assert not kept.up.is_set()


def test_one_that_cannot_be_ended_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    watch = _Watch()
    add(watch, Noted(fails=True), 0.0)
    assert add(watch, Noted(), 0.01).up.wait(60)
    assert "could not be ended in time: OSError" in caplog.text


def test_a_limit_that_is_up_is_up_for_good() -> None:
    limit = _Limit(LONG)
    limit.expire()
    slow, over = threading.Event(), threading.Event()

    class Opened:
        close = over.set

    def connects() -> Opened:
        assert slow.wait(LONG)
        return Opened()

    assert limit.connect(connects) is None
    # What is opened all the same is closed by whoever opened it.
    slow.set()
    assert over.wait(60)
    in_time = _Limit(LONG)
    in_time.end()
    in_time.expire()  # at the last moment: nothing happens
    assert in_time.connect(lambda: "opened") == "opened"


def test_a_process_that_was_forked_watches_for_itself() -> None:
    script = """
import os, threading
from storage import limits
class Noted:
    ended = False
    def __init__(self): self.up = threading.Event()
    def expire(self): self.up.set()
def told():
    limit = Noted()
    limits._watch.add(limit, 0.01)
    return limit.up.wait(60)
assert told()
child = os.fork()
if child == 0:
    os._exit(0 if told() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300)


def test_a_transaction_begins_no_thread(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_database(postgresql_url, hurried=True)
    with database.read():  # connects, and begins to watch
        pass
    begun: list[Any] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: begun.append(thread))
    for _ in range(5):
        with database.read():
            pass
        with database.write():
            pass
    database.close()
    assert begun == []
