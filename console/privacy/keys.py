"""Keys of privacy, derived from service.signing_key: it is kept for as long as the service is, and a copy of
it stands away from the machine. Without it service.keys serve, whose change ends what was made under them.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from console.settings import Configuration
from storage.sealed_folder import SealedFolder

_PSEUDONYMS, _SOUNDS = b"pseudonyms of callers' numbers", b"recordings at rest"


def of_pseudonyms(configuration: Configuration) -> bytes:
    """Without any secret a key of this moment: numbers are then forgotten all the same, and cannot even be
    counted.
    """
    found = _derived(configuration, _PSEUDONYMS)
    return found[0] if found else secrets.token_bytes(32)


def kept_sounds(configuration: Configuration) -> SealedFolder:
    """The folder of recordings, with the keys that they are sealed with: the first is for new ones."""
    folder = configuration.folder / configuration.service.state / "messages"
    return SealedFolder(folder, tuple(_derived(configuration, _SOUNDS)))


def _derived(configuration: Configuration, purpose: bytes) -> list[bytes]:
    signing = bytes.fromhex(configuration.service.signing_key.get_secret_value())
    found = [signing] if signing else []
    found += [urlsafe_b64decode(key.get_secret_value()) for key in configuration.service.keys]
    return [HKDF(SHA256(), 32, salt=None, info=purpose).derive(key) for key in found]
