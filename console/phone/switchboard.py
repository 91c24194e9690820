"""Who is on the telephone now: finds the line that a name in a `.call` file means."""

from console.phone.call import Call, CallerCall
from console.phone.dialling import Leg
from console.phone.events import CALLER
from console.phone.exchange import Exchange
from console.phone.execution import OutOfTurn
from console.phone.names import Cast
from console.phone.placed import PlacedCall

LONGEST_QUOTE = 300


class Switchboard:
    """The calls of one conversation. `calls` came in; `placed` were placed since it began."""

    def __init__(self, exchange: Exchange, cast: Cast) -> None:
        self._exchange = exchange
        self._cast = cast
        self._first_placed = len(exchange.placed)
        self.calls: list[CallerCall] = []

    @property
    def call(self) -> CallerCall:
        """The caller's latest call. Raises OutOfTurn before the first."""
        if not self.calls:
            raise OutOfTurn("nobody has called yet")
        return self.calls[-1]

    @property
    def placed(self) -> list[PlacedCall]:
        return self._exchange.placed[self._first_placed :]

    @property
    def latest(self) -> Call:
        """The call that began last, whoever placed it. Raises OutOfTurn before the first."""
        ours = {call.sid for call in (*self.calls, *self.placed)}
        calls = [call for call in self._exchange.every_call if call.sid in ours]
        if not calls:
            raise OutOfTurn("nobody has called yet")
        return calls[-1]

    @property
    def live(self) -> list[Call]:
        """The calls that are going on, the caller's latest first."""
        every = list(reversed(self._exchange.every_call))
        mine = self.calls[-1:]
        return [call for call in (*mine, *(e for e in every if e not in mine)) if call.state != "ended"]

    def bridged(self) -> Leg:
        """The phone that was dialled in the call that talks. Raises OutOfTurn if none does."""
        for call in self.live:
            if call.state == "bridged" and call.leg is not None:
                return call.leg
        raise OutOfTurn(f"nobody is connected: {self.situation()}")

    def connected(self) -> list[set[str]]:
        """The pairs of phones that are connected."""
        return [
            {call.leg.phone, call.from_ if call.party == CALLER else call.party}
            for call in self.live
            if call.state == "bridged" and call.leg is not None
        ]

    def picked_up(self, who: str) -> Leg | PlacedCall:
        """The line on which `who` is. Raises OutOfTurn."""
        phone = self._cast.phone(who)
        for call in self.live:
            if call.leg is not None and call.leg.phone == phone:
                return call.leg
            if isinstance(call, PlacedCall) and call.phone == phone and call.state != "phoning":
                return call
        raise OutOfTurn(f"{who} is not on the line: {self.situation()}")

    def phoned(self, who: str) -> PlacedCall | None:
        """The call by which the program rings `who`."""
        phone = self._cast.phone(who)
        return next((call for call in self.placed if call.phone == phone and call.state == "phoning"), None)

    def rung(self, who: str) -> Leg | PlacedCall | None:
        """The phone of `who` as it rings: dialled in a call, or phoned by the program."""
        phone = self._cast.phone(who)
        for call in self.live:
            leg = next((leg for leg in call.ringing if leg.phone == phone), None)
            if leg is not None:
                return leg
        return self.phoned(who)

    def any_rings(self) -> bool:
        return any(call.ringing or call.state == "phoning" for call in self.live)

    def situation(self) -> str:
        """How the calls that are going on stand, or else the latest."""
        calls = self.live or ([self.latest] if self.calls or self.placed else [])
        return "; ".join(map(self._how, calls)) or "there is no call"

    def _how(self, call: Call) -> str:
        if call.ringing:
            return "ringing: " + ", ".join(self._cast.name_of(leg.phone) for leg in call.ringing)
        if isinstance(call, PlacedCall) and call.state == "phoning":
            return f"{self._cast.name_of(call.phone)} is phoned"
        whose, who = "the call", "the caller"
        if isinstance(call, PlacedCall):
            who = self._cast.name_of(call.phone)
            whose = f"the call to {who}"
        with_whom = f", with {self._cast.name_of(call.leg.phone)}" if call.leg else ""
        heard = call.heard()
        last = f', {who} last heard "{quoted(heard[-1])}"' if heard else ""
        return f"{whose} is {call.state}{with_whom}{last}"


def quoted(text: str) -> str:
    """The end of a text, short enough for a message."""
    return text if len(text) <= LONGEST_QUOTE else "… " + text[-LONGEST_QUOTE:]
