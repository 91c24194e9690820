"""The ways to a webhook: in process, or over HTTP."""

import http.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlencode, urlsplit

from werkzeug.test import Client, TestResponse

TIME_OUT = 15.0  # seconds; Twilio: a call's request must be answered within 15 s
FORM = "application/x-www-form-urlencoded; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a webhook answered."""

    status: int
    content_type: str
    body: bytes


class NoReply(Exception):
    """Nobody answered. `code` is Twilio's error code for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Door(Protocol):
    """Takes a POST to where `url` leads. `url` is the public address, the one that is signed."""

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        """Delivers the form, in the order given. Raises NoReply when nobody answers in time."""
        ...


@runtime_checkable
class Plays(Protocol):
    """A door that is asked, too, for what a Play names."""

    def get(self, url: str) -> Reply:
        """Asks for it, unsigned. Raises NoReply when nobody answers in time."""
        ...


class WsgiDoor:
    """A WSGI application in this process. Its exceptions are not caught: they are bugs to be seen."""

    def __init__(self, app: Any) -> None:
        self._client = Client(app, use_cookies=False)

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        address = urlsplit(url)
        response = self._client.post(
            address.path or "/",
            base_url=f"{address.scheme}://{address.netloc}/",
            query_string=address.query,
            data=urlencode(form).encode("ascii"),
            content_type=FORM,
            headers=headers,
        )
        return self._reply(response)

    def get(self, url: str) -> Reply:
        address = urlsplit(url)
        base = f"{address.scheme}://{address.netloc}/"
        return self._reply(self._client.get(address.path, base_url=base, query_string=address.query))

    @staticmethod
    def _reply(response: TestResponse) -> Reply:
        try:
            return Reply(response.status_code, response.headers.get("Content-Type", ""), response.get_data())
        finally:
            response.close()


class HttpDoor:
    """Real HTTP to `listener` (such as http://127.0.0.1:8080), whatever the public address is.

    Stands in for the reverse proxy: path, query, body and the public Host header arrive unchanged.
    """

    def __init__(self, public_url: str, listener: str) -> None:
        """ValueError unless `listener` is an http address with a host."""
        target = urlsplit(listener)
        if target.scheme != "http" or not target.hostname:
            raise ValueError("the listener must be an address such as http://127.0.0.1:8080")
        self._host, self._port = target.hostname, target.port or 80
        self._public_host = urlsplit(public_url).netloc

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        body = urlencode(form).encode("ascii")
        return self._asked("POST", url, body, dict(_pairs(headers, self._public_host)))

    def get(self, url: str) -> Reply:
        return self._asked("GET", url, None, {"Host": self._public_host})

    def _asked(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        address = urlsplit(url)
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIME_OUT)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, response.getheader("Content-Type", ""), response.read())
        except TimeoutError:
            raise NoReply(f"{address.path}: no answer within {TIME_OUT:.0f} s", 11200) from None
        except (OSError, http.client.HTTPException) as error:
            raise NoReply(f"{address.path}: {type(error).__name__}", 11205) from None
        finally:
            connection.close()


def _pairs(headers: dict[str, str], host: str) -> Iterable[tuple[str, str]]:
    yield "Host", host
    yield "Content-Type", FORM
    yield from headers.items()
