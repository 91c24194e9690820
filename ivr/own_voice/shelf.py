"""The recordings on this node's disk, and which of them are played: what a call goes by.

A caller must never be sent to an address that does not answer with sound: his call might end there. So the
path of a call asks no database for a recording. It goes by an index that the worker signs and renews
(`console/own_voice.py`), which names only what every node has on its disk; and at each turn the file is
looked at once more. Whatever is wrong, an index that is missing, old, forged or damaged, a file that is gone
or was changed, a sentence that is worded otherwise today: the sentence is spoken.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from storage import snapshot
from storage.snapshot import SnapshotRefused
from storage.whole_file import whole_file

log = logging.getLogger("ivr.voice")

# What was said of a recording longer ago is not gone by. What was taken away stays on the disk for longer.
TRUSTED_FOR = timedelta(hours=24)
# An index from the future: a clock was moved. So far is believed.
CLOCKS_DIFFER = timedelta(minutes=10)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INDEX = "index"


def digest_of(content: bytes) -> str:
    """What a recording is known by: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Entry:
    """On `number` ("": on every one) the sentence `line`, worded as `text`, is played as `digest`."""

    number: str
    language: str
    line: str
    text: str
    digest: str


class Shelf:
    """The files of this node, in a folder of their own, each named by its digest."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """`key` signs the index; without one there is none. Other files are signed with it, too: none of them
        is to be taken for the index, nor the index for one of them.
        """
        self.folder = folder
        self._key = hmac.digest(key, b"index of recorded prompts", "sha256") if key else b""

    def file(self, digest: str) -> Path:
        return self.folder / f"{digest}.wav"

    def content(self, digest: str) -> bytes | None:
        """The sound; None if it is not there as it was put there."""
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            found = self.file(digest).read_bytes()
        except OSError:
            return None
        return found if digest_of(found) == digest else None

    def put(self, digest: str, content: bytes) -> None:
        """Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(self.file(digest)) as file:
            file.write(content)

    def digests(self) -> set[str]:
        """What is there, by name."""
        try:
            found = [path.stem for path in self.folder.iterdir() if path.suffix == ".wav"]
        except OSError:
            return set()
        return {name for name in found if _DIGEST.fullmatch(name)}

    def discard(self, digest: str) -> None:
        self.file(digest).unlink(missing_ok=True)

    def write_index(self, at: datetime, entries: Iterable[Entry]) -> None:
        """Raises OSError; the index then stays as it was."""
        said = [[each.number, each.language, each.line, each.text, each.digest] for each in entries]
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.dumps(said, ensure_ascii=False).encode()
        snapshot.write(self.folder / _INDEX, self._key, at, content)

    def read_index(self) -> tuple[datetime, list[Entry]]:
        """What is played, and when that was written. Raises SnapshotRefused."""
        if not self._key:
            raise SnapshotRefused("unsigned")
        found = snapshot.read(self.folder / _INDEX, self._key)
        return found.at, [Entry(*each) for each in json.loads(found.content)]

    def index_mark(self) -> object:
        """Changes when the index is written anew; None while there is none."""
        return _mark(self.folder / _INDEX)

    def file_mark(self, digest: str) -> object:
        """Changes when somebody changes the file; None while there is none."""
        return _mark(self.file(digest))


@dataclass(frozen=True)
class _Known:
    """The index as it was read: `mark` is how its file looked, `written` None if it cannot be believed."""

    mark: object = None
    written: datetime | None = None
    entries: Mapping[tuple[str, str, str], Entry] = field(default_factory=dict)


@dataclass
class OwnVoice:
    """What is played on this node instead of being spoken. One for a process; safe to use from many threads.

    A turn costs a look at the index's date, and one at the file of each sentence that is played.
    """

    shelf: Shelf
    # The address of a sound, by its digest.
    address: Callable[[str], str]
    _known: _Known = _Known()
    # Files that were found as they should be, with how they looked then.
    _whole: dict[str, object] = field(default_factory=dict)

    def address_of(self, number: str, language: str, line: str, text: str, at: datetime) -> str:
        """Where the sentence can be heard, said as `text` on our `number`; "" if it is to be spoken."""
        known = self._index()
        if known.written is None or not -CLOCKS_DIFFER <= at - known.written <= TRUSTED_FOR:
            return ""
        for where in (number, ""):
            entry = known.entries.get((where, language, line))
            # Worded otherwise today, the recording would name another key, or another company.
            if entry is not None and entry.text == text and self._is_whole(entry.digest):
                return self.address(entry.digest)
        return ""

    def _index(self) -> _Known:
        mark = self.shelf.index_mark()
        if mark == self._known.mark:
            return self._known
        known = _Known(mark)
        try:
            written, found = self.shelf.read_index()
            known = _Known(mark, written, {(e.number, e.language, e.line): e for e in found})
        except SnapshotRefused as refused:
            if mark is not None:
                log.error("recorded prompts are not played, all is spoken: their index is %s", refused.why)
        except (ValueError, TypeError):
            log.error("recorded prompts are not played, all is spoken: their index cannot be read")
        self._known = known
        return known

    def _is_whole(self, digest: str) -> bool:
        mark = self.shelf.file_mark(digest)
        if mark is None:
            return False
        if self._whole.get(digest) != mark:
            if self.shelf.content(digest) is None:
                log.error("the recorded prompt %s was changed on the disk: it is spoken", digest[:12])
                return False
            self._whole[digest] = mark
        return True


def _mark(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
