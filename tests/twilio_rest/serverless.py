"""The part of the stand-in that runs functions: services, uploads, builds, deployments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twilio_rest.server import UNKNOWN, Asked, Refusal, Route

DOCUMENT = "twilio_serverless_v1"
ROOT = "https://serverless.twilio.com"
SERVICES = "/v1/Services"
SERVICE = SERVICES + "/{ServiceSid}"
UPLOAD = SERVICE + "/Functions/{FunctionSid}/Versions"
WHEN = "2026-03-10T21:00:00Z"


@dataclass
class Version:
    path: str
    visibility: str
    text: str


@dataclass
class Functions:
    """What is deployed at Twilio. A build is `building` for so many looks; `failing`: it then fails."""

    account: str
    looks: int = 2
    failing: bool = False
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    functions: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    builds: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    _made: int = 0

    def sid(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made:032x}"

    def served(self) -> Version | None:
        """What Twilio serves now."""
        for environment in self.environments.values():
            if environment["build_sid"]:
                (version,) = self.builds[environment["build_sid"]]["function_versions"]
                return self.versions[version["sid"]]
        return None


def routes(functions: Functions) -> list[Route]:
    """What they answer."""
    part = _Part(functions)
    one = SERVICE + "/Environments/{Sid}"
    return [
        Route("GET", SERVICES, DOCUMENT, part.services),
        Route("POST", SERVICES, DOCUMENT, part.new_service),
        Route("GET", SERVICE + "/Environments", DOCUMENT, part.environments),
        Route("POST", SERVICE + "/Environments", DOCUMENT, part.new_environment),
        Route("GET", one, DOCUMENT, part.environment),
        Route("GET", SERVICE + "/Functions", DOCUMENT, part.functions),
        Route("POST", SERVICE + "/Functions", DOCUMENT, part.new_function),
        # At a host of its own; no document has it.
        Route("POST", UPLOAD, None, part.upload),
        Route("GET", SERVICE + "/Builds", DOCUMENT, part.builds),
        Route("POST", SERVICE + "/Builds", DOCUMENT, part.new_build),
        Route("GET", SERVICE + "/Builds/{Sid}/Status", DOCUMENT, part.build_status),
        Route("DELETE", SERVICE + "/Builds/{Sid}", DOCUMENT, part.remove_build),
        Route("POST", SERVICE + "/Environments/{EnvironmentSid}/Deployments", DOCUMENT, part.deploy),
    ]


class _Part:
    def __init__(self, at_twilio: Functions) -> None:
        self._twilio = at_twilio

    def services(self, asked: Asked) -> dict[str, Any]:
        return listed(asked, "services", list(self._twilio.services.values()))

    def new_service(self, asked: Asked) -> dict[str, Any]:
        name = asked.form["UniqueName"]
        if any(each["unique_name"] == name for each in self._twilio.services.values()):
            raise Refusal(409, 20409, "there is one of this name")
        made = self._new(
            "ZS",
            "",
            friendly_name=asked.form["FriendlyName"],
            unique_name=name,
            include_credentials=asked.form.get("IncludeCredentials", "true").lower() == "true",
            ui_editable=False,
            domain_base=f"{name}-1234",
            links={},
        )
        self._twilio.services[made["sid"]] = made
        return made

    def environments(self, asked: Asked) -> dict[str, Any]:
        return listed(asked, "environments", self._of(asked, self._twilio.environments))

    def new_environment(self, asked: Asked) -> dict[str, Any]:
        service = self._service(asked)
        made = self._new(
            "ZE",
            service["sid"],
            build_sid=None,
            unique_name=asked.form["UniqueName"],
            domain_suffix=asked.form.get("DomainSuffix"),
            domain_name=f"{service['domain_base']}.twil.io",
            links={},
        )
        self._twilio.environments[made["sid"]] = made
        return made

    def environment(self, asked: Asked) -> dict[str, Any]:
        return self._one(self._twilio.environments, asked.named["Sid"])

    def functions(self, asked: Asked) -> dict[str, Any]:
        return listed(asked, "functions", self._of(asked, self._twilio.functions))

    def new_function(self, asked: Asked) -> dict[str, Any]:
        service = self._service(asked)
        made = self._new("ZH", service["sid"], friendly_name=asked.form["FriendlyName"], links={})
        self._twilio.functions[made["sid"]] = made
        return made

    def upload(self, asked: Asked) -> dict[str, Any]:
        service = self._service(asked)
        function = self._one(self._twilio.functions, asked.named["FunctionSid"])
        file = asked.request.files["Content"]
        if file.mimetype != "application/javascript" or asked.form["Visibility"] != "protected":
            raise Refusal(400, 20001, "no such document")
        made = self._new("ZN", service["sid"], function_sid=function["sid"], path=asked.form["Path"])
        text = file.read().decode("utf-8")
        file.close()
        self._twilio.versions[made["sid"]] = Version(asked.form["Path"], asked.form["Visibility"], text)
        return made

    def builds(self, asked: Asked) -> dict[str, Any]:
        return listed(asked, "builds", self._of(asked, self._twilio.builds))

    def new_build(self, asked: Asked) -> dict[str, Any]:
        service = self._service(asked)
        versions = asked.request.form.getlist("FunctionVersions")
        for version in versions:
            self._one(self._twilio.versions, version)
        made = self._new(
            "ZB",
            service["sid"],
            status="building",
            asset_versions=[],
            function_versions=[{"sid": each} for each in versions],
            dependencies=[],
            runtime=asked.form["Runtime"],
            links={},
        )
        self._twilio.builds[made["sid"]] = {**made, "looks": 0}
        return made

    def build_status(self, asked: Asked) -> dict[str, Any]:
        build = self._one(self._twilio.builds, asked.named["Sid"])
        build["looks"] += 1
        if build["looks"] >= self._twilio.looks:
            build["status"] = "failed" if self._twilio.failing else "completed"
        return {name: build[name] for name in ("sid", "account_sid", "service_sid", "status", "url")}

    def remove_build(self, asked: Asked) -> dict[str, Any]:
        sid = asked.named["Sid"]
        self._one(self._twilio.builds, sid)
        if any(each["build_sid"] == sid for each in self._twilio.environments.values()):
            raise Refusal(400, 20001, "it is deployed")
        del self._twilio.builds[sid]
        self._twilio.removed.append(sid)
        return {}

    def deploy(self, asked: Asked) -> dict[str, Any]:
        environment = self._one(self._twilio.environments, asked.named["EnvironmentSid"])
        build = self._one(self._twilio.builds, asked.form["BuildSid"])
        if build["status"] != "completed":
            raise Refusal(400, 20001, "it is not built")
        environment["build_sid"] = build["sid"]
        made = self._new(
            "ZD", environment["service_sid"], environment_sid=environment["sid"], build_sid=build["sid"]
        )
        self._twilio.deployments.append(build["sid"])
        return {**made, "is_plugin": None}

    def _new(self, prefix: str, service: str, **more: Any) -> dict[str, Any]:
        sid = self._twilio.sid(prefix)
        made = {
            "sid": sid,
            "account_sid": self._twilio.account,
            "date_created": WHEN,
            "date_updated": WHEN,
            "url": f"{ROOT}{SERVICES}/{sid}",
            **more,
        }
        return {**made, "service_sid": service} if service else made

    def _service(self, asked: Asked) -> dict[str, Any]:
        return self._one(self._twilio.services, asked.named["ServiceSid"])

    def _one(self, every: dict[str, Any], sid: str) -> Any:
        if sid not in every:
            raise Refusal(*UNKNOWN)
        return every[sid]

    def _of(self, asked: Asked, every: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        service = self._service(asked)["sid"]
        found = [each for each in every.values() if each["service_sid"] == service]
        return [{k: v for k, v in each.items() if k != "looks"} for each in found]


def listed(asked: Asked, name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of a list of the newer interface."""
    size, page = int(asked.query.get("PageSize", 50)), int(asked.query.get("Page", 0))
    here = f"{asked.request.base_url}?PageSize={size}&Page="
    return {
        name: found[size * page : size * (page + 1)],
        "meta": {
            "first_page_url": f"{here}0",
            "key": name,
            "next_page_url": f"{here}{page + 1}" if len(found) > size * (page + 1) else None,
            "page": page,
            "page_size": size,
            "previous_page_url": f"{here}{page - 1}" if page else None,
            "url": f"{here}{page}",
        },
    }
