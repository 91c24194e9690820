"""How Twilio's REST interface is asked: one request at a time, with a limit, made once, by each auth token.

Whether to try again, and when, is for whoever asked. Nothing is logged here, for addresses, bodies and tokens
all pass through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProxyError

from oncall.notices.channels import ChannelFailed
from webhooks.settings import TwilioSettings

# Seconds to connect, and to wait for the answer. The library's own default is for ever.
CONNECT, READ = 3.0, 10.0
UNREADABLE = "unreadable answer"
# The status of an answer without content: what was to be deleted is.
GONE = 204
# What Twilio answers of something that is not there.
NOT_FOUND = "20404"
# Codes that tell of our account, not of the number: nothing is settled for good by them.
OF_THE_ACCOUNT = frozenset({"10001", "20003", "20005"})
# The domains of Twilio's interface that we ask, each at a host of its own.
DOMAINS = ("api", "voice", "serverless", "messaging", "trusthub")


class Answer(Protocol):
    """What the network answered, as twilio's library reads it."""

    @property
    def status_code(self) -> int: ...

    @property
    def text(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class HttpClient(Protocol):
    """Whoever carries a request to Twilio: HTTP, or a rehearsal's own telephone network."""

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Answer: ...


@dataclass(frozen=True)
class _Got:
    status_code: int
    text: str
    headers: Mapping[str, str]

    @property
    def content(self) -> bytes:
        """Twilio's library looks here when something was deleted."""
        return self.text.encode()


class OverHttp:
    """Carries one request on a connection of its own: one that was kept open may be dead without our
    knowing, and then nobody could say whether the request was done.
    """

    def __init__(self, connect: float = CONNECT, read: float = READ) -> None:
        self._timeout = (connect, read)

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Answer:
        """`timeout` is the library's, and is not looked at. Raises requests.RequestException."""
        got = requests.request(
            method,
            url,
            params=params,  # type: ignore[arg-type]
            data=data,
            headers=headers,
            auth=auth,
            timeout=self._timeout,
            allow_redirects=False,
        )
        return _Got(got.status_code, got.text, got.headers)


class Line:
    """Stands between twilio's library and whoever carries its requests: tries each auth token, and turns
    whatever goes wrong into ChannelFailed.
    """

    def __init__(self, settings: TwilioSettings, carrier: HttpClient) -> None:
        self._settings = settings
        self._carrier = carrier

    def request(self, method: str, url: str, **more: Any) -> Answer:
        """Raises ChannelFailed; for a POST `maybe_done` tells whether it may have been done all the same."""
        posts = method.upper() == "POST"
        try:
            answer = self._carried(method, url, more)
        except requests.RequestException as error:
            # The library's text may quote the address; the kind of failure says enough.
            kind = "no answer" if isinstance(error, requests.Timeout) else "connection lost"
            sent = _may_have_been_sent(error)
            raise ChannelFailed(kind if sent else "not reached", maybe_done=posts and sent) from None
        if answer.status_code >= 300:
            raise refusal(answer, posts)
        if answer.status_code != GONE and not isinstance(_json(answer), dict):
            raise ChannelFailed(UNREADABLE, maybe_done=posts)
        return answer

    def _carried(self, method: str, url: str, more: dict[str, Any]) -> Answer:
        answer: Answer | None = None
        # While a token is being changed, either may be the valid one.
        for token in self._settings.auth_tokens:
            auth = (self._settings.account_sid, token.get_secret_value())
            answer = self._carrier.request(method, url, **{**more, "auth": auth})
            if answer.status_code != 401:
                break
        if answer is None:
            raise ChannelFailed("no auth token")
        return answer


class Rest:
    """One account, asked through twilio's library. Every method raises ChannelFailed."""

    def __init__(self, settings: TwilioSettings, http_client: HttpClient | None = None) -> None:
        """`http_client` carries the requests in place of HTTP."""
        self._settings = settings
        self._line = Line(settings, http_client or OverHttp())

    @cached_property
    def _client(self) -> Any:
        from twilio.rest import Client  # 0.2 s: only where something is really asked

        # The environment must not move our requests to another host; an empty one would not be looked at.
        client = Client(
            self._settings.account_sid, "one of ours", http_client=self._line, environment={"": ""}
        )
        if self._settings.api_base:
            for domain in DOMAINS:
                getattr(client, domain).base_url = self._settings.api_base.rstrip("/")
        return client

    @property
    def _account(self) -> Any:
        return self._client.api.v2010.account


def listed(page: Callable[[], Iterable[Any]]) -> list[Any]:
    """All of a list. Raises ChannelFailed if what came is none."""
    from twilio.base.exceptions import TwilioException

    try:
        return list(page())
    except TwilioException:  # an answer without a list in it
        raise ChannelFailed(UNREADABLE) from None


def refusal(answer: Answer, posts: bool) -> ChannelFailed:
    """What a status that is no success means."""
    status, code = answer.status_code, _code(answer)
    if status == 429:
        return ChannelFailed(code, wait_seconds=_seconds(answer))
    if status >= 500 or status == 408:
        # It may have been done before it failed.
        return ChannelFailed(code, maybe_done=posts, wait_seconds=_seconds(answer))
    return ChannelFailed(code, for_good=status >= 400 and status != 401 and code not in OF_THE_ACCOUNT)


def _code(answer: Answer) -> str:
    told = _json(answer)
    code = told.get("code") if isinstance(told, dict) else None
    if isinstance(code, int | str) and str(code).isdecimal() and len(str(code)) <= 6:
        return str(code)
    # Twilio's own numbers for these, should they come without one.
    return {404: "20404", 429: "20429"}.get(answer.status_code, f"HTTP {answer.status_code}")


def _json(answer: Answer) -> object:
    try:
        return json.loads(answer.text)
    except ValueError:
        return None


def _seconds(answer: Answer) -> float | None:
    """Retry-After, if it is a number of seconds; a date, which Twilio does not send, is passed over."""
    value = str({str(k).lower(): v for k, v in dict(answer.headers or {}).items()}.get("retry-after", ""))
    return float(value) if value.isdecimal() and len(value) <= 5 else None


def _may_have_been_sent(error: requests.RequestException) -> bool:
    """Whether the request may have reached Twilio: no, if no connection was ever made."""
    if isinstance(error, requests.ConnectTimeout):
        return False
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(cause, NewConnectionError | ConnectTimeoutError | ProxyError):
        return False
    if isinstance(error, requests.exceptions.SSLError):
        return "CERTIFICATE_VERIFY_FAILED" not in str(cause)
    return not isinstance(error, ValueError)  # an address that cannot be asked at all
