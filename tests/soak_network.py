"""What goes wrong in a night of the soak: requests to the provider that fail; and what it tells us that is
lost, late, doubled or asked twice.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from conformance.lint import findings, role_of

from console.phone import Reply
from console.phone.door import Door
from console.phone.rest import Fault

if TYPE_CHECKING:
    from soak_night import Night

FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
STATUS = ("/voice/status", "/voice/out/status", "/voice/recording", "/sms/status")


@dataclass(frozen=True)
class Weather:
    """How much goes wrong in a night; shares are between 0 and 1."""

    calm: bool
    faults: float
    lost: float
    late: float
    doubled: float
    deaths: float
    stalls: float
    outages: int


CLEAR = Weather(True, 0, 0, 0, 0, 0, 0, 0)


def drawn_weather(source: random.Random) -> Weather:
    if source.random() < 0.25:
        return CLEAR
    return Weather(
        calm=False,
        faults=source.choice((0, 0.03, 0.12)),
        lost=source.choice((0, 0.05, 0.3)),
        late=source.choice((0, 0.1, 0.3)),
        doubled=source.choice((0, 0.05, 0.2)),
        deaths=source.choice((0, 0.03, 0.1)),
        stalls=source.choice((0, 0.5, 1)),
        outages=source.choice((0, 0, 1, 3)),
    )


class Faults(deque[Fault]):
    """What befalls the next request to the provider, drawn as it comes."""

    def __init__(self, night: Night) -> None:
        super().__init__()
        self._night = night

    def __bool__(self) -> bool:
        return True

    def popleft(self) -> Fault:
        return self._night.befalls()  # type: ignore[return-value]  # None: all is well


class Post:
    """Brings Twilio's requests to the door; loses, delays and doubles what is only told."""

    def __init__(self, night: Night, door: Door) -> None:
        self._night = night
        self._door = door

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        night, path = self._night, urlsplit(url).path
        night.requests += 1
        deliver = partial(self._door.post, url, form, headers)
        if path not in STATUS and dict(form).get("CallStatus") not in FINAL:
            first = deliver()
            if first.status == 200 and (role := role_of(path)) is not None:
                for wrong in findings(first.body, role, kind=first.content_type):
                    night.wrong(f"{path}: {wrong}")
            if night.chance(night.weather.doubled / 4):
                night.count["turns asked twice"] += 1
                if deliver() != first:
                    night.wrong(f"{path} was answered otherwise the second time")
            return first
        weather = night.weather
        if night.chance(weather.lost):
            night.count["callbacks lost"] += 1
            return Reply(204, "", b"")
        if night.chance(weather.doubled):
            night.count["callbacks doubled"] += 1
            night.later(night.random.uniform(0, 120), "a callback comes again", deliver)
        if night.chance(weather.late):
            night.count["callbacks late"] += 1
            night.later(night.random.expovariate(1 / 40), "a callback comes late", deliver)
            return Reply(204, "", b"")
        return deliver()
