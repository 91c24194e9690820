"""Recordings of messages, fetched from Twilio and kept here.

Addresses are made of the configured account and a recording's sid, never taken from a request: the
server fetches nothing that somebody else named.
"""

from __future__ import annotations

import re

import requests

from webhooks.kept import Folder
from webhooks.settings import TwilioSettings

API = "https://api.twilio.com"
# Seconds to connect, and between two pieces of the answer. The library's own default is for ever.
TIMEOUT = (3.05, 20.0)
# Two minutes of speech are about 1 MB as MP3 (Twilio: 32 kbit/s mono); far more is no message of ours.
LARGEST_RECORDING = 32 * 1024 * 1024
_SID = re.compile(r"RE[0-9a-f]{32}")


class RecordingNotReady(Exception):
    """Twilio has not finished the recording yet, or did not answer: try again later."""


class RecordingGone(Exception):
    """Twilio does not have it, or will not give it to us: trying again is no use."""


def fetch_recording(settings: TwilioSettings, sid: str, folder: Folder) -> str:
    """Fetch a recording as MP3 into `folder`; returns the file's name.

    The file appears whole or not at all. Raises RecordingNotReady or RecordingGone.
    """
    if not _SID.fullmatch(sid):
        raise RecordingGone("that is no recording's sid")
    base = (settings.api_base or API).rstrip("/")
    address = f"{base}/2010-04-01/Accounts/{settings.account_sid}/Recordings/{sid}.mp3"
    name = f"{sid}.mp3"
    try:
        _download(settings, address, folder, name)
    except (requests.ConnectionError, requests.Timeout) as error:
        # The library's text may quote the address; the kind of failure says enough.
        raise RecordingNotReady(type(error).__name__) from None
    return name


def _download(settings: TwilioSettings, address: str, folder: Folder, name: str) -> None:
    for token in settings.auth_tokens:  # while a token is being changed, either may be the valid one
        auth = (settings.account_sid, token.get_secret_value())
        with requests.get(address, auth=auth, timeout=TIMEOUT, stream=True, allow_redirects=False) as answer:
            if answer.status_code == 401:
                continue
            if answer.status_code in (404, 429) or answer.status_code >= 500:
                raise RecordingNotReady(f"HTTP {answer.status_code}")
            if answer.status_code != 200:
                raise RecordingGone(f"HTTP {answer.status_code}")
            with folder.writing(name) as file:
                for piece in answer.iter_content(64 * 1024):
                    file.write(piece)
                    if file.size > LARGEST_RECORDING:
                        raise RecordingGone("too large")
            return
    raise RecordingGone("HTTP 401: none of the auth tokens is believed")
