"""How often a program may ask: so many at once, and so many a minute in the long run, each token by itself.

Counted in this process, which is the only one of the console; a restart forgets it. It keeps a program that
has gone wild from holding up people at their pages; it guards no secret.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

AT_ONCE, A_MINUTE = 60, 120


@dataclass
class Rate:
    at_once: int = AT_ONCE
    a_minute: int = A_MINUTE
    # What is left to each token, and when that was so.
    _left: dict[int, tuple[float, datetime]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def wait(self, at: datetime, token_id: int) -> int:
        """Seconds until this token may ask again; 0: it may now, and has."""
        each = self.a_minute / 60
        with self._lock:
            left, since = self._left.get(token_id, (float(self.at_once), at))
            since = min(since, at)  # a clock that was put back keeps nobody out
            left = min(self.at_once, left + max(0.0, (at - since).total_seconds()) * each)
            if left < 1:
                self._left[token_id] = (left, at)
                return max(1, math.ceil((1 - left) / each))
            self._left[token_id] = (left - 1, at)
            return 0
