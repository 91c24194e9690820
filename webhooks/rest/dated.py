"""Carries requests to Twilio and remembers how far our clock is ahead of the one in its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks.rest.line import Answer, HttpClient, OverHttp


class Dated:
    """`ahead` is None until an answer with a date has come. The header has whole seconds, and is
    written while the answer is on its way: what the request took, and a second, count as no difference.
    """

    def __init__(self, clock: Callable[[], datetime], carrier: HttpClient | None = None) -> None:
        self._clock = clock
        self._carrier = carrier or OverHttp()
        self.ahead: timedelta | None = None

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
        """As `HttpClient` has it."""
        before = self._clock()
        answer = self._carrier.request(method, url, params, data, headers, auth, timeout, allow_redirects)
        self._note(before, self._clock(), answer)
        return answer

    def _note(self, before: datetime, after: datetime, answer: Answer) -> None:
        told = {str(name).lower(): value for name, value in dict(answer.headers or {}).items()}.get("date")
        try:
            theirs = parsedate_to_datetime(str(told))
            too_late, too_early = before - (theirs + timedelta(seconds=1)), after - theirs
        except (ValueError, TypeError):  # none, or without a time zone
            return
        self.ahead = max(too_late, timedelta()) + min(too_early, timedelta())
