"""Functions that Twilio itself runs: a document of ours is uploaded, built and put where Twilio asks for it.

One service of our own with one environment and one function; others of the account are left alone. Everything
raises ChannelFailed. Asked again after a failure, each step finds what the one before has left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import requests

from oncall.notices.channels import ChannelFailed
from webhooks.rest.line import UNREADABLE, Rest, listed

UPLOADS = "https://serverless-upload.twilio.com"
SERVICE, FUNCTION, ENVIRONMENT = "after-hours-stand-in", "stand-in", "production"
# Only requests that Twilio has signed for our account reach it.
VISIBILITY = "protected"
RUNTIME = "node22"
PAGE = 100

BuildStatus = Literal["building", "completed", "failed"]


@dataclass(frozen=True)
class Place:
    """Where our document goes. `host` is the name by which Twilio serves the environment."""

    service: str
    environment: str
    function: str
    host: str


class RestFunctions(Rest):
    """The account's functions."""

    def place(self) -> Place:
        """Our service, environment and function, made if they are not there yet."""
        services = self._client.serverless.v1.services
        service = _named(listed(lambda: services.stream(page_size=PAGE)), "unique_name", SERVICE)
        if service is None:
            # Without the account's token: the document asks for nothing.
            service = services.create(
                unique_name=SERVICE, friendly_name="After-hours stand-in", include_credentials=False
            )
        sid = _sid(service)
        environments = services(sid).environments
        environment = _named(
            listed(lambda: environments.stream(page_size=PAGE)), "unique_name", ENVIRONMENT
        ) or environments.create(unique_name=ENVIRONMENT)
        functions = services(sid).functions
        function = _named(
            listed(lambda: functions.stream(page_size=PAGE)), "friendly_name", FUNCTION
        ) or functions.create(friendly_name=FUNCTION)
        if not environment.domain_name:
            raise ChannelFailed(UNREADABLE)
        return Place(sid, _sid(environment), _sid(function), str(environment.domain_name))

    def upload(self, place: Place, path: str, text: str) -> str:
        """Upload the document, to be served under `path`; returns the version's sid."""
        base = (self._settings.api_base or UPLOADS).rstrip("/")
        url = f"{base}/v1/Services/{place.service}/Functions/{place.function}/Versions"
        # The library cannot upload: Twilio takes documents at a host of their own, and as a form with a file.
        prepared = requests.Request(
            "POST",
            url,
            data={"Path": path, "Visibility": VISIBILITY},
            files={"Content": ("stand-in.js", text.encode(), "application/javascript")},
        ).prepare()
        headers = {"Content-Type": prepared.headers["Content-Type"], "Accept": "application/json"}
        return _sid_in(self._line.request("POST", url, data=prepared.body, headers=headers).text)

    def build(self, place: Place, version: str) -> str:
        """Have it built; returns the build's sid. It takes some seconds: see `build_status`."""
        builds = self._client.serverless.v1.services(place.service).builds
        return _sid(builds.create(function_versions=[version], runtime=RUNTIME))

    def build_status(self, place: Place, build: str) -> BuildStatus:
        found = self._client.serverless.v1.services(place.service).builds(build).build_status().fetch()
        if found.status not in ("building", "completed", "failed"):
            raise ChannelFailed(UNREADABLE)
        status: BuildStatus = found.status
        return status

    def deploy(self, place: Place, build: str) -> None:
        """From now on Twilio serves this build."""
        service = self._client.serverless.v1.services(place.service)
        _sid(service.environments(place.environment).deployments.create(build_sid=build))

    def deployed(self, place: Place) -> str | None:
        """The build that Twilio serves now."""
        service = self._client.serverless.v1.services(place.service)
        found = service.environments(place.environment).fetch().build_sid
        return str(found) if found else None

    def remove_builds(self, place: Place, keep: str) -> int:
        """Delete all builds but this one; returns how many."""
        builds = self._client.serverless.v1.services(place.service).builds
        old = [each for each in listed(lambda: builds.stream(page_size=PAGE)) if each.sid != keep]
        for each in old:
            builds(str(each.sid)).delete()
        return len(old)


def _named(found: list[Any], attribute: str, name: str) -> Any:
    return next((each for each in found if getattr(each, attribute) == name), None)


def _sid(made: Any) -> str:
    if not made.sid:
        raise ChannelFailed(UNREADABLE, maybe_done=True)
    return str(made.sid)


def _sid_in(text: str) -> str:
    sid = json.loads(text).get("sid")
    if not sid:
        raise ChannelFailed(UNREADABLE, maybe_done=True)
    return str(sid)
