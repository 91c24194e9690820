"""What a part that serves calls tells the database about its keys when it starts."""

from __future__ import annotations

import logging
import socket
from datetime import datetime

from console.house import not_ready, open_house
from console.settings import Configuration
from pins import keyring
from storage.alarms import raise_alarm

log = logging.getLogger("ivr.service")


def node_name(configuration: Configuration) -> str:
    """How `ivr pin rekey` calls this node: the machine's name and where the webhook door listens."""
    return f"{socket.gethostname()}/{configuration.service.listen}"


def note_keys(configuration: Configuration, at: datetime) -> None:
    """Note how many peppers this node has, and alarm if PINs in the database need other keys.

    Whatever fails is logged and raises nothing: a call that is served without this note is better than
    none. `ivr pin rekey` then still waits for what the node noted before.
    """
    try:
        house = open_house(configuration, hurried=True)
        try:
            if wrong := not_ready(house):
                log.error("keys not noted: database %s", wrong["database"])
                return
            with house.database.write() as connection:
                keyring.note_holder(connection, at, node_name(configuration), len(configuration.pins.peppers))
                keyring.remember(connection, at, configuration.pins)
                faults = keyring.faults(connection, configuration.pins)
                if faults:
                    raise_alarm(
                        connection, at, "pin-keys", node_name(configuration), {"faults": "; ".join(faults)}
                    )
        finally:
            house.close()
    except Exception as error:
        log.error("keys not noted: %s", type(error).__name__)
        return
    for fault in faults:
        log.error("PINs will not be found: %s", fault)
