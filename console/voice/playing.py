"""What a node plays of the sentences that the house has recorded, and the sounds themselves. The door loads
this; how they come to the disk stands in keeping.py.
"""

from __future__ import annotations

import logging

from console.settings import Configuration
from ivr.own_voice import kept
from ivr.own_voice.shelf import OwnVoice, Shelf, digest_of
from ivr.standby.luggage import Seal
from storage.engine import Database
from webhooks.addresses import PublicAddresses

log = logging.getLogger("ivr.voice")

FOLDER = "voice"


def shelf_of(configuration: Configuration) -> Shelf:
    """The recordings on this node's disk."""
    key = bytes.fromhex(configuration.service.signing_key.get_secret_value())
    return Shelf(configuration.folder / configuration.service.state / FOLDER, key)


def own_voice(configuration: Configuration, seal: Seal) -> OwnVoice:
    """What is played on this node instead of being spoken."""
    addresses = PublicAddresses(configuration.service.public_url)
    return OwnVoice(shelf_of(configuration), lambda digest: addresses.recorded(digest, seal.mark(digest)))


def sound(shelf: Shelf, database: Database, digest: str) -> bytes | None:
    """The sound of this name: from the disk, or else from the database. None if it cannot be had."""
    found = shelf.content(digest)
    if found is not None:
        return found
    try:
        with database.read() as connection:
            found = kept.content(connection, digest)
    except Exception as error:  # whatever it is, the caller hears something
        log.error("recorded prompt %s cannot be had: %s", digest[:12], type(error).__name__)
        return None
    if found is None or digest_of(found) != digest:
        log.error("recorded prompt %s is not there as it was put there", digest[:12])
        return None
    try:
        shelf.put(digest, found)
    except OSError as error:
        log.error("recorded prompt %s cannot be kept: %s", digest[:12], type(error).__name__)
    return found
