"""Faults of those who look after the machines: they are begun anew one by one during calls."""

from __future__ import annotations

import threading

from faults.fault import Fault, Stage


def one_by_one(stage: Stage) -> list[str]:
    """Each machine is stopped as for an upgrade, and begun again, while calls go on."""
    cluster = stage.load.cluster
    failed: list[str] = []

    def roll() -> None:
        try:
            for node in cluster.nodes:
                node.stop("webhooks", "work")
                node.start()
                node.wait()
        except AssertionError as error:
            failed.append(str(error))

    rolling = threading.Thread(target=roll)
    rolling.start()
    found = []
    while rolling.is_alive():
        call = stage.emergency.call()
        found += stage.emergency.complaints(call)
    rolling.join()
    return found + failed


FAULTS = [
    Fault(
        19, "machines begun anew, one by one, mid-call", "every call served within 4 s an answer", one_by_one
    )
]
