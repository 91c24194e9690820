"""Twilio's auth token is changed while a hundred people are talking to the telephone: none of them is lost.

The steps are those of docs/secrets.md, with the real service: both tokens into the configuration and HUP, the
network signs with the new one, the old one out of the configuration and HUP.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from select import select as readable
from urllib.parse import urlencode, urlsplit

from making import ACTOR, RINGING, ROTA
from sqlalchemy import select

from acceptance.caller import FORM, Call, Line, Phone, fields_of, signature
from acceptance.installation import ACCOUNT, PUBLIC_URL, TOKEN
from acceptance.reading_again import IN_FORCE, NIGHT, PATIENCE, Service
from console.house import open_house, pin_index
from console.settings import load
from oncall.rota import roster, rota_file
from oncall.tables import cases
from pins import customers, registry

NEW_TOKEN = "also-not-a-token-fedcba9876543210"
OUR_NUMBER = "+390461825060"
CONVERSATIONS = 100
AT_ONCE = 4


def furnish(service: Service, people: int) -> list[tuple[str, str]]:
    """A rota, and customers with a telephone and a PIN each: (telephone, PIN)."""
    made = []
    house = open_house(load(service.file))
    index = pin_index(house.configuration)
    try:
        drawn = [registry.draw(index, 8) for _ in range(people)]
        with house.database.write() as connection:
            roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(ROTA))
            for number, new in enumerate(drawn):
                phone = f"+3934700000{number:02d}"
                customer = customers.add_customer(
                    connection, ACTOR, NIGHT, f"Cliente {number}", phones=[phone]
                )
                registry.issue(connection, ACTOR, NIGHT, customer.code, new)
                made.append((phone, new.pin))
    finally:
        house.close()
    return made


# -- the network --------------------------------------------------------------------------------------


class Network(Line):
    """A line on which many talk at once; it knows what is under way with which token."""

    def __init__(self, listener: str) -> None:
        super().__init__(listener, PUBLIC_URL, ACCOUNT, TOKEN)
        self.under_way: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._lock = threading.Lock()

    def send(self, url, fields=(), **more):  # type: ignore[no-untyped-def]
        form = list(fields.items()) if hasattr(fields, "items") else list(fields)
        with self._lock:
            token = self.auth_token
            self.under_way[token] += 1
        try:
            answer = super().send(url, form, **{"signature_is": signature(token, url, form), **more})
        finally:
            with self._lock:
                self.under_way[token] -= 1
        with self._lock:
            self.statuses[answer.status] += 1
        return answer

    def signs_with(self, token: str) -> None:
        """From the next request on; returns when the last one that was signed otherwise is answered."""
        old, self.auth_token = self.auth_token, token
        limit = time.monotonic() + PATIENCE
        while self.under_way[old]:
            assert time.monotonic() < limit
            time.sleep(0.01)


class Conversation:
    """Somebody who rings, keys his PIN, says how urgent it is, and gets a technician: one step at a time."""

    def __init__(self, network: Network, phone: str, pin: str) -> None:
        self.network, self.phone, self.pin = network, phone, pin
        self.call: Call | None = None
        self.technician: Phone | None = None
        self.spoke = False
        self._steps = iter(
            (
                self.rings,
                self.keys_pin,
                self.keys_urgency,
                self.is_rung,
                self.is_answered,
                self.is_taken,
                self.talks,
            )
        )

    def go_on(self, steps: int) -> None:
        for _, step in zip(range(steps), self._steps, strict=False):
            step()

    def rings(self) -> None:
        self.call = self.network.ring(OUR_NUMBER, self.phone)
        assert self.call.asks_for_pin, self.call.heard

    def keys_pin(self) -> None:
        """Again, if he is asked again: on a busy machine a check may not come to its end in time."""
        for _ in range(3):
            self._call.press(self.pin + "#")
            if not self._call.asks_for_pin:
                break
        assert self._call.one_key, self._call.heard

    def keys_urgency(self) -> None:
        self._call.press("1")

    def is_rung(self) -> None:
        self._call.waits_for_ring()

    def is_answered(self) -> None:
        self.technician = self._call.answers()

    def is_taken(self) -> None:
        assert self.technician is not None
        self.technician.press("1")

    def talks(self) -> None:
        assert self.technician is not None
        assert self.technician.bridged
        self._call.talks()
        self.spoke = True

    @property
    def _call(self) -> Call:
        assert self.call is not None
        return self.call


@contextmanager
def somebody_always_asks(network: Network) -> Iterator[list[int]]:
    """Meanwhile one request after the other comes on a connection that is kept open, as a proxy's are: the
    statuses. A connection that has been shut is opened anew, as a proxy does before it sends.
    """
    call = network.ring(OUR_NUMBER, "+393479999999")
    form = list(fields_of(call).items())
    statuses: list[int] = []
    enough = threading.Event()
    url = f"{PUBLIC_URL}/voice"

    def ask() -> None:
        with closing(HTTPConnection(network.listener, timeout=15)) as connection:
            while not enough.wait(0.02):
                if connection.sock is not None and readable([connection.sock], [], [], 0)[0]:
                    connection.close()  # the service has shut it: nothing else comes unasked
                headers = {
                    "Host": urlsplit(PUBLIC_URL).netloc,
                    "Content-Type": FORM,
                    "X-Twilio-Signature": signature(network.auth_token, url, form),
                }
                connection.request("POST", "/voice", urlencode(form), headers)
                reply = connection.getresponse()
                reply.read()
                statuses.append(reply.status)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield statuses
        finally:
            enough.set()
        asking.result()


def test_a_hundred_conversations_and_none_lost(service: Service) -> None:
    people = furnish(service, CONVERSATIONS)
    service.installation.start()
    network = Network(service.installation.listener)
    conversations = [Conversation(network, *each) for each in people]

    def all_go_on(steps: Callable[[int], int]) -> list[object]:
        """Everybody, several at once, by as many steps as his place says."""
        return list(pool.map(lambda pair: pair[1].go_on(steps(pair[0])), enumerate(conversations)))

    with ThreadPoolExecutor(AT_ONCE) as pool, somebody_always_asks(network) as asked:
        all_go_on(lambda place: 1 + place % 4)  # from "has rung" to "is about to be rung"
        service.write(auth_tokens=f'["{TOKEN}", "{NEW_TOKEN}"]')
        before = set(service.parts())
        service.hang_up()
        all_go_on(lambda place: 1)
        service.says(IN_FORCE)
        network.signs_with(NEW_TOKEN)
        all_go_on(lambda place: 1)
        service.write(auth_tokens=f'["{NEW_TOKEN}"]')
        # The worker begins anew at a HUP; one that came while it did would end it, and it would be started
        # again.
        service.says("worker started", times=2)
        service.hang_up()
        all_go_on(lambda place: 1)
        service.says(IN_FORCE, times=2)
        all_go_on(lambda place: 7)

    assert [each.phone for each in conversations if not each.spoke] == []
    assert set(network.statuses) <= {200, 204}, network.statuses
    assert set(asked) == {200}
    assert len(asked) > 20
    # The parts themselves have never ended: nothing was started again.
    assert service.children() == before
    assert "ended with" not in service.printed
    house = open_house(load(service.file))
    with house.database.read() as connection:
        taken = list(connection.execute(select(cases.c.connected_at)).scalars())
    house.close()
    assert len(taken) == CONVERSATIONS
    assert None not in taken
    # And the old token is worth nothing any more.
    form = fields_of(Call(network, OUR_NUMBER, "+393480000001", {}))
    assert Line.send(network, f"{PUBLIC_URL}/voice", form).status == 200
    network.auth_token = TOKEN
    assert Line.send(network, f"{PUBLIC_URL}/voice", form).status == 403
    for token in (TOKEN, NEW_TOKEN):
        assert token not in service.printed
