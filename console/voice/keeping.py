"""Recorded sentences on their way from the database to the caller: each node's worker brings them to its
disk, tells the others what it has, and writes the index that calls go by.

Behind a balancer the one node names an address and another may be asked for it. So a recording is played only
when every node that serves calls has noted, since it was last started, that it has it: one that runs an
earlier release never does. A node that has it not all the same takes it from the database when it is asked.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection

from console.house import House
from console.processes.keyholder import node_name
from console.voice.playing import shelf_of, sound
from ivr.own_voice import kept
from ivr.own_voice.shelf import Entry, Shelf
from pins import keyring
from storage import notebook

log = logging.getLogger("ivr.voice")

NOTE = "voice "
# The index is written anew at least so often, that it may be told from one that nobody keeps any longer.
EVERY = timedelta(minutes=10)


def _note_of(node: str) -> str:
    """Names of machines may be longer than those of notes."""
    return NOTE + hashlib.sha256(node.encode()).hexdigest()[:16]


def waiting_for(connection: Connection) -> dict[str, list[str]]:
    """By digest of what is to be played, the nodes that have not noted that they have it. Those that every
    node has are not among them.
    """
    notes = notebook.beginning(connection, NOTE)
    lacking: dict[str, list[str]] = {}
    nodes = keyring.holders(connection)
    for digest in sorted({each.digest for each in kept.standing(connection)}):
        for node in nodes:
            note = notes.get(_note_of(node.node))
            if note is None or note.at < node.since or digest not in note.content["digests"]:
                lacking.setdefault(digest, []).append(node.node)
    return lacking


@dataclass
class VoiceKeeper:
    """What the worker remembers of it from tick to tick."""

    house: House
    written: datetime | None = None
    stamp: tuple[object, ...] = ()
    # It is tried at each tick, and said once.
    failed: bool = False
    shelf: Shelf = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = shelf_of(self.house.configuration)

    def keep(self, at: datetime) -> bool:
        """Bring what is new to the disk and write the index, if anything changed or it is time. True if it
        was written. Raises SQLAlchemyError.
        """
        if not self.house.configuration.service.signing_key.get_secret_value():
            _say_once("service.signing_key is missing: without it no recorded prompt is played")
            return False
        with self.house.database.read() as connection:
            stamp = _stamp(connection)
            recent = self.written is not None and timedelta(0) <= at - self.written < EVERY
            if recent and stamp == self.stamp:
                return False
            wanted = kept.digests(connection)
            outlived = kept.outlived(connection, at)
        try:
            self._fetch(wanted)
            self._note(at, wanted)
            with self.house.database.read() as connection:
                # What was put meanwhile is not here yet: the next tick brings it.
                stamp = _stamp(connection) if kept.digests(connection) == wanted else ()
                lacking = waiting_for(connection)
                entries = [
                    Entry(each.number, each.language, each.line, each.text, each.digest)
                    for each in kept.standing(connection)
                    if each.digest not in lacking
                ]
            self.shelf.write_index(at, entries)
            for gone in self.shelf.digests() - wanted:
                self.shelf.discard(gone)
        except OSError as error:
            if not self.failed:
                log.error("recorded prompts cannot be brought to the disk: %s", type(error).__name__)
            self.failed = True
            return False
        self.failed = False
        if outlived:
            with self.house.database.write() as connection:
                kept.sweep(connection, at)
        self.written, self.stamp = at, stamp
        return True

    def _fetch(self, wanted: set[str]) -> None:
        for digest in sorted(wanted):
            if self.shelf.content(digest) is None:
                sound(self.shelf, self.house.database, digest)

    def _note(self, at: datetime, wanted: set[str]) -> None:
        """Tell the others what is here."""
        node = node_name(self.house.configuration)
        name = _note_of(node)
        here = {"digests": sorted(wanted & self.shelf.digests())}
        with self.house.database.read() as connection:
            noted = notebook.read(connection, name)
            started = [each.since for each in keyring.holders(connection) if each.node == node]
        if noted is None or noted.content != here or any(noted.at < since for since in started):
            with self.house.database.write() as connection:
                notebook.write(connection, at, name, here)


def _stamp(connection: Connection) -> tuple[object, ...]:
    """Changes with what is recorded, with what the nodes have, and with the nodes."""
    notes = notebook.beginning(connection, NOTE)
    nodes = tuple((holder.node, holder.since) for holder in keyring.holders(connection))
    return (kept.stamp(connection), nodes, *((name, note.at) for name, note in notes.items()))


@cache
def _say_once(what: str) -> None:
    log.warning(what)
