"""The balancer before the nodes, and the network behind it: requests go to one node after the other.

What Twilio or any balancer does when an answer fails to come is done here: the same request goes to the
other node, or Twilio asks the call's fallback address. Everything that can go wrong on the way is done here
too, for one request at a time: `mishaps` says what happens to the next.
"""

from __future__ import annotations

import http.client
import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urlencode, urlsplit

from acceptance.caller import FORM, Answer, Fields, Line, pairs, signature

# Twilio gives a request up after this.
GIVES_UP = 15.0
# Gunicorn closes what was idle for 5 s.
IDLE = 3.0


class NoAnswer(Exception):
    """Whoever was asked broke off, or is not there."""


@dataclass(frozen=True)
class Mishap:
    """What happens to one request. `order` goes to the node with it; `twice` sends it to both nodes at once;
    `lost` throws the first answer away; `wire` is told to the wire of the node that is asked; `by_fallback`
    asks the fallback address after that, instead of the other node.
    """

    name: str
    order: str = ""
    twice: bool = False
    lost: bool = False
    wire: str = ""
    by_fallback: bool = False


NOTHING = Mishap("")
LUGGAGE = re.compile(rb"\?l=[^\"<]*")


class Balancer(Line):
    """A line to all nodes. `befalls` draws what happens to a request, by its kind; `wrong` is told of answers
    that differ; `slowest` is the longest that anybody waited for an answer, retries not counted.
    """

    def __init__(self, listeners: list[str], public_url: str, account: str, tokens: tuple[str, ...]) -> None:
        super().__init__(listeners[0], public_url, account, tokens[0])
        self.listeners = listeners
        self.tokens = tokens
        self.befalls: Callable[[str], Mishap] = lambda _: NOTHING
        self.wrong: Callable[[str], None] = lambda _: None
        self.tell_wire: Callable[[int, str], object] = lambda node, order: None
        self.count: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.slowest = 0.0
        # While connections to the database are being cut.
        self.cutting = False
        # Whether answers must be the same byte for byte.
        self.strict = False
        self._turn = itertools.count()
        self._signed = itertools.count()
        self._lock = threading.Lock()
        self._local = threading.local()
        self._both = ThreadPoolExecutor(16)
        self._made: set[http.client.HTTPConnection] = set()

    def send(
        self,
        url: str,
        fields: Fields = (),
        *,
        method: str = "POST",
        sign_as: str | None = None,
        signature_is: str | None = "right",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        kind: str = FORM,
    ) -> Answer:
        """As any line's; raises NoAnswer if neither node answers."""
        return self.deliver(url, pairs(fields), "")

    def deliver(self, url: str, form: list[tuple[str, str]], kind: str) -> Answer:
        """One request of this kind ("urgency", "whisper"), and whatever befalls it."""
        mishap = self.befalls(kind) if kind else NOTHING
        first = next(self._turn) % len(self.listeners)
        other = (first + 1) % len(self.listeners)
        with self._lock:
            self.kinds[kind] += 1
        if mishap.twice:
            return self._twice(mishap, kind, url, form, (first, other))
        if mishap.wire:
            self.tell_wire(first, mishap.wire)
        lost: Answer | None = None
        try:
            answer = self._ask(first, url, form, mishap.order)
            if mishap.order:
                # It had no such commit.
                self._note("a kill that did not come", kind)
            elif mishap.wire:
                self._note(mishap.name, kind)
            if not mishap.lost:
                if answer.status >= 500 and len(self.listeners) > 1:
                    return self._again(other, url, form, mishap)
                return answer
            lost = answer
            self._note(mishap.name, kind)
        except NoAnswer:
            if mishap.order or mishap.wire:
                self._note(mishap.name, kind)
        answer = self._again(other, url, form, mishap)
        if lost is not None:
            self._compared("again", kind, [lost, answer])
        return answer

    def _again(self, other: int, url: str, form: list[tuple[str, str]], mishap: Mishap) -> Answer:
        path = urlsplit(url).path
        if mishap.by_fallback and (path == "/voice" or path.startswith("/voice/turn/")):
            raise NoAnswer  # whoever makes the call asks the fallback address
        patience = time.monotonic() + GIVES_UP
        while True:
            try:
                return self._ask(other, url, form, "")
            except NoAnswer:
                # A node alone is begun again; of two, the first may be back.
                other = (other + 1) % len(self.listeners)
                if time.monotonic() > patience:
                    raise
                time.sleep(0.05)

    def _twice(
        self, mishap: Mishap, kind: str, url: str, form: list[tuple[str, str]], nodes: tuple[int, int]
    ) -> Answer:
        asked = [self._both.submit(self._ask, node, url, form, "") for node in nodes]
        answers = []
        for each in asked:
            try:
                answers.append(each.result())
            except NoAnswer:
                continue
        # Another request's mishap may have struck one of the two.
        answers = [each for each in answers if each.status < 500]
        if not answers:
            return self._again(nodes[0], url, form, NOTHING)
        self._note(mishap.name, kind)
        self._compared("twice at once", kind, answers)
        return answers[0]

    def _compared(self, how: str, kind: str, answers: list[Answer]) -> None:
        """Answers to the same request are the same. A node just cut off from the database, or that finds it
        slow, says the same from its standby and seals it anew, or hangs a leg up: that is counted, and what
        comes of it is judged elsewhere.
        """
        told = {(each.status, each.body) for each in answers if each.status < 500}
        if len(told) < 2:
            return
        if not self.strict and len({(status, LUGGAGE.sub(b"", body)) for status, body in told}) == 1:
            self._note("said the same, sealed anew", kind)
        elif self.cutting:
            self._note("answered otherwise, cut off from the database", kind)
        else:
            self.wrong(f"{kind}: asked {how}, the answers differ: {sorted(told)}")

    def _note(self, name: str, kind: str) -> None:
        with self._lock:
            self.count[name] += 1
            self.count[f"{name}: {kind}"] += 1

    # -- one request to one node -------------------------------------------------------------------

    def _ask(self, node: int, url: str, form: list[tuple[str, str]], order: str) -> Answer:
        url = urldefrag(url).url
        token = self.tokens[next(self._signed) % len(self.tokens)]
        parts = urlsplit(url)
        headers = {
            "Host": urlsplit(self.public_url).netloc,
            "User-Agent": "TwilioProxy/1.1",
            "Content-Type": FORM,
            "X-Twilio-Signature": signature(token, url, form),
        }
        if order:
            headers["X-Fault"] = order
        target = parts.path + ("?" + parts.query if parts.query else "")
        body = urlencode(form).encode()
        began = time.monotonic()
        connection = self._connection(node)
        try:
            connection.request("POST", target, body=body, headers=headers)
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.headers.get("Content-Type", ""), reply.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._local.open.pop(node, None)
            raise NoAnswer from error
        took = time.monotonic() - began
        self._local.open[node] = (connection, time.monotonic())
        with self._lock:
            self.slowest = max(self.slowest, took)
        self._local.took = took
        return answer

    def _connection(self, node: int) -> http.client.HTTPConnection:
        if not hasattr(self._local, "open"):
            self._local.open = {}
        kept: tuple[Any, float] | None = self._local.open.pop(node, None)
        if kept is not None:
            if time.monotonic() - kept[1] < IDLE:
                connection: http.client.HTTPConnection = kept[0]
                return connection
            kept[0].close()
        made = http.client.HTTPConnection(self.listeners[node], timeout=GIVES_UP)
        with self._lock:
            self._made.add(made)
        return made

    def close(self) -> None:
        """Hang up on the nodes."""
        self._both.shutdown()
        for connection in self._made:
            connection.close()
