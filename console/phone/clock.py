"""A clock that moves only when somebody moves it."""

from datetime import UTC, datetime, timedelta


class VirtualClock:
    """An instant that the exchange, and the tests, move forward. It never goes back."""

    def __init__(self, at: datetime) -> None:
        """`at` must know its offset (ValueError otherwise)."""
        self._at = _utc(at)

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        return self._at

    def forward(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> datetime:
        """Lets time pass; returns the new instant. ValueError if the sum is negative."""
        return self.set(self._at + timedelta(seconds=seconds, minutes=minutes, hours=hours))

    def set(self, at: datetime) -> datetime:
        """Jumps to `at`, which may not be earlier than now (ValueError)."""
        at = _utc(at)
        if at < self._at:
            raise ValueError(f"the clock stands at {self._at.isoformat()} and does not go back")
        self._at = at
        return at

    def reach(self, at: datetime) -> datetime:
        """Lets time pass until `at`; does nothing if that is over already."""
        return self.set(max(_utc(at), self._at))


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return at.astimezone(UTC)
