"""A file that only whoever has its key can read, and that nobody can change, cut or lengthen unseen.

It is written and read as a stream, in pieces of 64 KiB, each encrypted and authenticated (AES-256-GCM) under
a key of this file alone. A piece's nonce is its number and whether it is the last: so pieces that were
removed, repeated, moved or cut off the end are found. Inside, the stream is compressed.

At the beginning stand what it is, a mark of the key it was sealed with (which says nothing of the key), and
the random salt of its own key; all three are authenticated with every piece.
"""

from __future__ import annotations

import hmac
import secrets
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_MAGIC = b"ivr sealed file 1\n"
_MARK, _SALT = 8, 32
_HEAD = len(_MAGIC) + _MARK + _SALT
_PIECE = 64 * 1024
_TAG = 16


class NotSealed(Exception):
    """It cannot be read; nothing of it may be used. The text says why."""


class SealedElsewhere(NotSealed):
    """It was sealed with a key that is not among those given."""


class Sealing:
    """Writes bytes into `file`, sealed with `key`. It is whole once `end` has returned."""

    def __init__(self, file: BinaryIO, key: bytes) -> None:
        salt = secrets.token_bytes(_SALT)
        self._file = file
        self._head = _MAGIC + _mark(key) + salt
        self._cipher = _cipher(key, salt)
        self._packed = zlib.compressobj(6)
        self._waiting = bytearray()
        self._number = 0
        file.write(self._head)

    def write(self, content: bytes) -> None:
        self._waiting += self._packed.compress(content)
        # One piece more than is written stays here: which one is the last is known only at the end.
        while len(self._waiting) > _PIECE:
            self._piece(bytes(self._waiting[:_PIECE]), last=False)
            del self._waiting[:_PIECE]

    def end(self) -> None:
        self.write(b"")
        self._waiting += self._packed.flush()
        while len(self._waiting) > _PIECE:
            self._piece(bytes(self._waiting[:_PIECE]), last=False)
            del self._waiting[:_PIECE]
        self._piece(bytes(self._waiting), last=True)

    def _piece(self, content: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), content, self._head))
        self._number += 1


def looks_sealed(file: BinaryIO) -> bool:
    """Whether it begins as such a file does; it is then read from its beginning again."""
    begins = file.read(len(_MAGIC)) == _MAGIC
    file.seek(0)
    return begins


def opened(file: BinaryIO, keys: Sequence[bytes]) -> Iterator[bytes]:
    """What is sealed in `file`, in parts, with whichever of `keys` it was sealed.

    Raises NotSealed as soon as something is wrong: only when the iteration has ended is it known that
    the whole file is as it was written.
    """
    head = file.read(_HEAD)
    if len(head) < _HEAD or not head.startswith(_MAGIC):
        raise NotSealed("this is no backup, or its beginning is damaged")
    mark, salt = head[len(_MAGIC) : -_SALT], head[-_SALT:]
    key = next((each for each in keys if hmac.compare_digest(_mark(each), mark)), None)
    if key is None:
        raise SealedElsewhere("it was sealed with another key, or its beginning is damaged")
    cipher, unpacked = _cipher(key, salt), zlib.decompressobj()
    number, piece = 0, file.read(_PIECE + _TAG)
    while True:
        following = file.read(_PIECE + _TAG)
        try:
            content = cipher.decrypt(_nonce(number, last=not following), piece, head)
        except (InvalidTag, ValueError):
            raise NotSealed("it is damaged or cut off, or somebody has changed it") from None
        yield unpacked.decompress(content)
        if not following:
            break
        number, piece = number + 1, following
    yield unpacked.flush()
    if not unpacked.eof:
        raise NotSealed("it ends too early")


def _mark(key: bytes) -> bytes:
    return hmac.digest(key, b"ivr sealed file: mark of the key", "sha256")[:_MARK]


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    """That of one file: its key is never used for another, so that its nonces may simply count."""
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"ivr sealed file: key").derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
