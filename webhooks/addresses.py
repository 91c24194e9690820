"""The addresses our answers name, below the public one."""

from __future__ import annotations


class PublicAddresses:
    """Absolute addresses, so that no proxy's rewriting can change what Twilio signs.

    `sealed` is the call's luggage; nothing else of a call ever stands in an address.
    """

    def __init__(self, public_url: str) -> None:
        self._public = public_url.rstrip("/")

    def turn(self, number: int, sealed: str) -> str:
        return f"{self._public}/voice/turn/{number}?l={sealed}"

    def technician(self, number: int, sealed: str) -> str:
        return f"{self._public}/voice/technician/{number}?l={sealed}"

    def sound(self, sealed: str) -> str:
        return f"{self._public}/voice/sound?l={sealed}"

    def recorded(self, digest: str, mark: str) -> str:
        """Always the same for the same sound, so that the network may keep it."""
        return f"{self._public}/voice/recorded/{mark}/{digest}.wav"

    def outgoing(self, number: int, sealed: str) -> str:
        return f"{self._public}/voice/out/{number}?l={sealed}"

    def outgoing_ended(self, sealed: str) -> str:
        return f"{self._public}/voice/out/status?l={sealed}"

    def recording(self, sealed: str) -> str:
        return f"{self._public}/voice/recording?l={sealed}"

    def text_status(self, sealed: str) -> str:
        return f"{self._public}/sms/status?l={sealed}"
