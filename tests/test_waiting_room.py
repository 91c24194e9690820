"""Of requests that wait, a customer's comes before a stranger's, whoever came first."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import pytest

from console.processes.waiting_room import LONGEST_BODY, OnFile, Places, waiting_room

ON_FILE, STRANGE = "+393471112201", "+393479998877"


def environ(path: str = "/voice", method: str = "POST", **form: str) -> dict[str, Any]:
    body = urlencode(form).encode()
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


class Door:
    """An application that notes what it reads; the first request is held until `open` is set."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.inside, self.open = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self.inside.is_set():
            self.inside.set()
            self.open.wait(60)
        body = environ["wsgi.input"].read().decode()
        self.served.append(body or environ["PATH_INFO"])
        return [body.encode()]


def test_customers_and_technicians_go_first() -> None:
    door, threads = Door(), []
    room = waiting_room(door, 1, {ON_FILE})
    places = [each for each in room.__closure__ or () if isinstance(each.cell_contents, Places)]
    waiting = places[0].cell_contents._waiting
    requests = [
        environ(From="the first"),
        environ(From=STRANGE),
        environ("/voice/turn/2", From=""),
        environ("/voice/turn/3", From=ON_FILE),
        environ("/voice/technician/0", From="+390461825060"),
        environ("/readyz", "GET"),
        environ(From=ON_FILE, n="2"),
    ]
    for number, each in enumerate(requests):
        threads.append(threading.Thread(target=room, args=(each, None)))
        threads[-1].start()
        assert door.inside.wait(60)
        while len(waiting) < number:
            time.sleep(0)
    door.open.set()
    for thread in threads:
        thread.join(60)
    first, strangers = door.served[1:5], door.served[5:]
    assert first == [
        urlencode({"From": ON_FILE}),
        urlencode({"From": "+390461825060"}),
        "/readyz",
        urlencode({"From": ON_FILE, "n": "2"}),
    ]
    assert strangers == [urlencode({"From": STRANGE}), "From="]


@pytest.mark.parametrize("length", ["", "-1", "x", str(LONGEST_BODY + 1), "9999999"])
def test_a_body_that_the_door_refuses_is_left_to_it(length: str) -> None:
    """Nothing of it is read here, and it goes on as it came."""
    door = Door()
    door.open.set()
    asked = environ(From=ON_FILE) | {"CONTENT_LENGTH": length}
    before = asked["wsgi.input"]
    assert list(waiting_room(door, 1, {ON_FILE})(asked, None)) == [urlencode({"From": ON_FILE}).encode()]
    assert asked["wsgi.input"] is before


@pytest.mark.parametrize("form", [b"From=%2B3&From=%2B4", b"\xff\xfe", b"&" * 300, b"", b"From"])
def test_whatever_comes_is_passed_on_byte_for_byte(form: bytes) -> None:
    seen: list[bytes] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append(environ["wsgi.input"].read())
        return []

    asked = environ() | {"CONTENT_LENGTH": str(len(form)), "wsgi.input": io.BytesIO(form)}
    list(waiting_room(app, 1, {ON_FILE})(asked, None))
    assert seen == [form]


def test_a_failure_gives_its_place_back() -> None:
    def fails(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    room = waiting_room(fails, 1, ())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            room(environ(), None)


def test_who_is_on_file_stays_known_when_it_cannot_be_read() -> None:
    answers: list[Any] = [{ON_FILE}, RuntimeError("gone"), {STRANGE}]

    def read() -> set[str]:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, set)
        return found

    numbers = OnFile(read)
    for known in ({ON_FILE}, {ON_FILE}, {STRANGE}):
        numbers._again_at = time.monotonic() + 60  # not by itself
        numbers.refresh()
        assert {each for each in (ON_FILE, STRANGE) if each in numbers} == known
