"""Calls we place and text messages we send, over Twilio's REST interface.

`RestTelephone` and `RestTexts` are what `oncall.channels` asks for. Each request has a time limit and is
made once: whether to try again, and when, is for whoever asked. Nothing is logged here, for addresses,
bodies and tokens all pass through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProxyError

from oncall.channels import CallOut, ChannelFailed, TextOut
from webhooks.settings import TwilioSettings
from webhooks.twiml import RING_BUFFER

API = "https://api.twilio.com"
# Seconds to connect, and to wait for the answer. The library's own default is for ever.
CONNECT, READ = 3.0, 10.0
# Twilio: Calls, Timeout, at least 5 s; it may let the phone ring 5 s longer.
SHORTEST_RING = 5
LONGEST_TEXT = 1600
UNREADABLE = "unreadable answer"
TEXT_TOO_LONG = "21617"  # Twilio's own code for it
# What Twilio answers to the end of a call that has ended already.
NOT_IN_PROGRESS = "21220"
# Codes that tell of our account, not of the number: nothing is settled for good by them.
OF_THE_ACCOUNT = frozenset({"10001", "20003", "20005"})
# Put before every text by an account on trial.
TRIAL = "Sent from your Twilio trial account - "
# Twilio's clock may be behind ours by so much; and it tells whole seconds.
CLOCKS_DIFFER = timedelta(seconds=10)
NEWEST = 50


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
        data: Mapping[str, object] | None = None,
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


class _Line:
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
            raise _refusal(answer, posts)
        if not isinstance(_json(answer), dict):
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


class _Rest:
    def __init__(self, settings: TwilioSettings, http_client: HttpClient | None = None) -> None:
        """`http_client` carries the requests in place of HTTP."""
        self._settings = settings
        self._line = _Line(settings, http_client or OverHttp())

    @cached_property
    def _account(self) -> Any:
        from twilio.rest import Client  # 0.2 s: only where something is really asked

        # The environment must not move our requests to another host; an empty one would not be looked at.
        client = Client(
            self._settings.account_sid, "one of ours", http_client=self._line, environment={"": ""}
        )
        client.api.base_url = (self._settings.api_base or API).rstrip("/")
        return client.api.v2010.account


class RestTelephone(_Rest):
    """Places calls. `oncall.channels.Telephone`."""

    def place(self, call: CallOut) -> str:
        """Twilio rings up to 5 s longer than it is told, so `rings` less 5. It tells `ended_at` of every
        final status: that is the one event it reports unasked.
        """
        return _sid(
            self._account.calls.create(
                to=call.to,
                from_=call.shows,
                url=call.answered_at,
                method="POST",
                status_callback=call.ended_at,
                status_callback_method="POST",
                timeout=max(SHORTEST_RING, call.rings - RING_BUFFER),
            )
        )

    def find(self, call: CallOut, since: datetime) -> str | None:
        def listed(**dates: datetime) -> Iterable[Any]:
            page = self._account.calls.page
            return _listed(lambda: page(to=call.to, from_=call.shows, page_size=NEWEST, **dates))

        return _newest(lambda: listed(start_time_after=_midnight(since)), listed, since)

    def status(self, sid: str) -> str | None:
        return _status(lambda: self._account.calls(sid).fetch())

    def hang_up(self, sid: str) -> None:
        """`completed` ends a call at any stage; `canceled` would leave one that was picked up meanwhile."""
        try:
            self._account.calls(sid).update(status="completed")
        except ChannelFailed as failed:
            if failed.why not in (NOT_IN_PROGRESS, "20404"):
                # Asking twice does no harm, so there is nothing to find out first.
                raise ChannelFailed(
                    failed.why, for_good=failed.for_good, wait_seconds=failed.wait_seconds
                ) from None


class RestTexts(_Rest):
    """Sends text messages. `oncall.channels.Texts`."""

    def send(self, text: TextOut) -> str:
        if len(text.text) > LONGEST_TEXT:
            raise ChannelFailed(TEXT_TOO_LONG, for_good=True)
        return _sid(
            self._account.messages.create(
                to=text.to, from_=text.sender, body=text.text, status_callback=text.status_at
            )
        )

    def find(self, text: TextOut, since: datetime) -> str | None:
        def listed(**dates: datetime) -> Iterable[Any]:
            page = self._account.messages.page
            found = _listed(lambda: page(to=text.to, from_=text.sender, page_size=NEWEST, **dates))
            return [each for each in found if _same(each.body, text.text)]

        return _newest(lambda: listed(date_sent_after=_midnight(since)), listed, since)

    def status(self, sid: str) -> str | None:
        return _status(lambda: self._account.messages(sid).fetch())


def _sid(made: Any) -> str:
    if not made.sid:
        raise ChannelFailed("unreadable answer", maybe_done=True)
    return str(made.sid)


def _listed(page: Callable[[], Iterable[Any]]) -> list[Any]:
    from twilio.base.exceptions import TwilioException

    try:
        return list(page())
    except TwilioException:  # an answer without a list in it
        raise ChannelFailed(UNREADABLE) from None


def _status(fetch: Callable[[], Any]) -> str | None:
    try:
        status = fetch().status
    except ChannelFailed as failed:
        if failed.why == "20404":
            return None
        raise
    return str(status) if status else None


def _newest(
    dated: Callable[[], Iterable[Any]], undated: Callable[[], Iterable[Any]], since: datetime
) -> str | None:
    """The newest of ours that was made since. What is still queued has no date yet by which Twilio could
    look for it, hence the second question.
    """
    earliest = since - CLOCKS_DIFFER
    for asked in (dated, undated):
        ours = [
            (each.date_created, str(each.sid))
            for each in asked()
            # Legs of our own Dials and calls that came in go between the same numbers.
            if each.direction == "outbound-api" and each.date_created and each.date_created >= earliest
        ]
        if ours:
            return max(ours)[1]
    return None


def _midnight(since: datetime) -> datetime:
    """Twilio looks for whole days, in UTC."""
    day = (since - CLOCKS_DIFFER).astimezone(UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def _same(body: str | None, text: str) -> bool:
    return (body or "").removeprefix(TRIAL).strip() == text.strip()


def _refusal(answer: Answer, posts: bool) -> ChannelFailed:
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
