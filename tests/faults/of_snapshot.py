"""Faults of what a node keeps for the time without a database: missing, damaged, somebody else's, too old."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from faults.cluster import READY_WITHIN, Cluster
from faults.fault import Fault, Stage
from faults.journal import completed

TOO_OLD = timedelta(hours=25)
SCREENED = "a human decides: the technician hears that the caller is not verified"


def missing(file: Path) -> None:
    file.unlink(missing_ok=True)


def corrupt(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    file.write_bytes(raw)


def wrong_key(file: Path) -> None:
    """Whole, and signed by somebody else."""
    from storage import snapshot

    head, _, rest = file.read_bytes().partition(b"\n")
    content = rest.partition(b"\n")[2]
    at = snapshot.written_at(file)
    assert at is not None, head
    snapshot.write(file, bytes(32), at, content)


def untouched(file: Path) -> None:
    """As it was written."""
    assert file.exists(), "no snapshot was written"


def spoilt(how: Callable[[Path], None], *, older: timedelta = timedelta(0)) -> Callable[[Stage], list[str]]:
    """The database is away, and this is what each node's snapshot has come to. Nobody writes a new one: the
    workers stand still, and the webhooks are begun anew, so that nothing of it is in their memory.
    """

    def happens(stage: Stage) -> list[str]:
        load, cluster = stage.load, stage.load.cluster
        cluster.idle()
        # A spare that still stands from an earlier outage holds what was believed then.
        if not cluster.at_home():
            return ["what was served without the database has not all come home"]
        for node in cluster.nodes:
            node.signal("work", signal.SIGSTOP)
        try:
            for node in cluster.nodes:
                node.kill_part("webhooks")
                node.start("webhooks")
            for node in cluster.nodes:
                node.wait(snapshot=False)
                # They write one as they start.
                how(node.snapshot)
            cluster.clock.set(cluster.now() + older)
            unverified = load.judge.count["connected unverified"]
            cluster.tell_wires("refuse")
            call = stage.emergency.call(manners=("accepts",))
        finally:
            cluster.tell_wires("open")
            for node in cluster.nodes:
                node.signal("work", signal.SIGCONT)
            _written_again(cluster)
        found = stage.emergency.complaints(call)
        if load.judge.count["connected unverified"] == unverified:
            found.append(f"{call.sid}: no technician was told that he is not verified")
        if missing := completed(cluster, call):
            found.append(missing)
        # Four an hour are woken for callers without a verified PIN.
        cluster.passes(3700)
        return found

    return happens


def _written_again(cluster: Cluster) -> None:
    """Wait until the workers have written what was spoilt."""
    began = {node.name: node.snapshot.stat().st_mtime_ns for node in cluster.nodes if node.snapshot.exists()}
    limit = time.monotonic() + READY_WITHIN
    # It is written anew every minute at least.
    cluster.passes(70)
    while not all(
        node.snapshot.exists() and node.snapshot.stat().st_mtime_ns != began.get(node.name)
        for node in cluster.nodes
    ):
        assert time.monotonic() < limit, "no snapshot was written"
        time.sleep(0.1)


FAULTS = [
    Fault(14, "snapshot missing", SCREENED, spoilt(missing)),
    Fault(14, "snapshot corrupt", SCREENED, spoilt(corrupt)),
    Fault(14, "snapshot signed with another key", SCREENED, spoilt(wrong_key)),
    Fault(14, "snapshot 25 h old", SCREENED, spoilt(untouched, older=TOO_OLD)),
]
