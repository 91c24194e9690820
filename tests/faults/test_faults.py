"""The harness in small, on two real nodes: a few conversations under mishaps, then the database goes away.

`make faults` does the same at length.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest
from acceptance.installation import missing
from postgres import Missing

from faults import load as odds
from faults.at_once import at_once
from faults.cluster import two_nodes
from faults.emergency import Emergency
from faults.fault import Stage
from faults.load import Load
from faults.of_database import frozen_at, stopped_at

CONVERSATIONS = 24
REQUESTS = 50


@pytest.fixture
def stage() -> Iterator[Stage]:
    if shutil.which("cc") is None:
        missing("a C compiler (cc), to move the service's clock")
    try:
        with two_nodes(numbers=3, customers=4) as cluster, closing(Load(cluster, "tests")) as load:
            yield Stage(load, Emergency(load, "tests"))
    except Missing as what:
        missing(str(what))


def test_nothing_is_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test, because to put the machines up costs more than all that happens on them."""
    load = stage.load
    monkeypatch.setattr(odds, "KILLED", 40)
    load.batch(CONVERSATIONS)
    assert load.line.count["killed before commit"] + load.line.count["killed after commit"] > 0
    assert at_once(load, stage.emergency, REQUESTS).complaints == []
    assert stopped_at("key")(stage) == []
    assert frozen_at("technician's key")(stage) == []
    load.settle()
    judge = load.judge
    assert (judge.lost, judge.strangers, judge.unpressed, judge.wrongs) == ([], [], [], [])
    assert judge.count["connected"] > CONVERSATIONS // 2
