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
from typing import Literal

from sqlalchemy import Connection

from console.house import House
from console.keyholder import node_name
from console.settings import Configuration
from ivr.luggage import Seal
from ivr.own_voice import kept
from ivr.own_voice.checking import digest_of
from ivr.own_voice.kept import Recording
from ivr.own_voice.lines import Sentence, sentences
from ivr.own_voice.shelf import Entry, OwnVoice, Shelf
from ivr.prompts import Speaker
from pins import keyring
from storage import audit, notebook
from storage.engine import Database
from webhooks.addresses import PublicAddresses

log = logging.getLogger("ivr.voice")

FOLDER = "voice"
NOTE = "voice "
# The index is written anew at least so often, that it may be told from one that nobody keeps any longer.
EVERY = timedelta(minutes=10)


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


def speaker(configuration: Configuration) -> Speaker:
    """Who says what is not recorded."""
    return Speaker(configuration.service.name, configuration.zone, configuration.urgency)


# -- what people see of it -------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """A recording and how it is with it: played; waiting, for `nodes` that have not got it yet; outdated,
    since the sentence is worded otherwise today; unsigned, for want of service.signing_key.
    """

    recording: Recording
    state: Literal["played", "waiting", "outdated", "unsigned"]
    nodes: tuple[str, ...] = ()


def listing(
    connection: Connection, configuration: Configuration, language: str, at: datetime
) -> list[tuple[Sentence, list[Standing]]]:
    """Every sentence of the language with its recordings, in the catalogue's order. Raises LookupError."""
    lacking = waiting_for(connection)
    by_line: dict[str, list[Recording]] = {}
    for each in kept.standing(connection):
        if each.language == language:
            by_line.setdefault(each.line, []).append(each)
    signed = bool(configuration.service.signing_key.get_secret_value())

    def standing(recording: Recording, sentence: Sentence) -> Standing:
        if not sentence.recordable or recording.text != sentence.text:
            return Standing(recording, "outdated")
        if not signed:
            return Standing(recording, "unsigned")
        nodes = tuple(lacking.get(recording.digest, ()))
        return Standing(recording, "waiting" if nodes else "played", nodes)

    return [
        (sentence, [standing(each, sentence) for each in by_line.get(sentence.name, ())])
        for sentence in sentences(speaker(configuration), language, at)
    ]


# -- every node ------------------------------------------------------------------------------------


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
                stamp = _stamp(connection)
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
            log.error("recorded prompts cannot be brought to the disk: %s", type(error).__name__)
            return False
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
    """Changes with what is recorded, which is audited, with what the nodes have, and with the nodes."""
    notes = notebook.beginning(connection, NOTE)
    nodes = tuple((holder.node, holder.since) for holder in keyring.holders(connection))
    return (audit.head(connection).id, nodes, *((name, note.at) for name, note in notes.items()))


@cache
def _say_once(what: str) -> None:
    log.warning(what)
