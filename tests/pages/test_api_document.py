"""The interface keeps its document: schemathesis asks every operation of the real application, over WSGI, for
what the document allows and for what it does not, and holds each answer against it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from making import ROOT
from nights import night
from programs import add_token, patient
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from screens import opened_console
from visitors import Console

from console.api.document import document
from console.api.operation import Operation
from console.api.operations import AREAS, all_operations
from oncall.rota import roster

sys.path.insert(0, str(ROOT / "docs"))
import api as api_paper

EXAMPLES = 6
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Answered at least once; an act that is drawn at random may always be refused.
FOUND = {"GET": {200}, "PATCH": {200}, "DELETE": {200}}
OURS = document(all_operations())
# Tokens are ours to send: what becomes of one that is not good is shown in test_api_rights.py.
OPEN = {
    name: {method: {**each, "security": []} for method, each in path.items()}
    for name, path in OURS["paths"].items()
}
SCHEMA = schemathesis.openapi.from_dict({**OURS, "paths": OPEN})


# Where nothing can be sent, nothing wrong can be.
ASKED = [
    (operation, mode)
    for operation in all_operations()
    for mode in GenerationMode
    if mode.is_positive or operation.places or operation.query or operation.body
]


@dataclass(frozen=True)
class Inhabited:
    """A console with a night in it, what a program with every scope sends, and where there is something."""

    console: Console
    headers: dict[str, str]
    places: dict[str, object]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inhabited]:
    with opened_console(tmp_path_factory.mktemp("api")) as console:
        played = night(console)
        patient(console)
        SCHEMA.app = console.app
        with console.house.database.write() as connection:
            at = console.clock.now()
            begins, ends = at + timedelta(hours=1), at + timedelta(hours=2)
            override = roster.override(connection, "test", at, "duty", 1, begins, ends, "bruno")
        places = {
            "code": "ACME",
            "pin_id": 1,
            "rota": "duty",
            "override_id": override,
            "sid": played.connected.sid,
            "number": played.unanswered.case,
        }
        yield Inhabited(console, {"Authorization": f"Bearer {add_token(console)}"}, places)


@pytest.mark.parametrize(("operation", "mode"), ASKED, ids=lambda each: getattr(each, "name", each))
def test_every_answer_is_as_the_document_says(
    house: Inhabited, operation: Operation, mode: GenerationMode
) -> None:
    described = SCHEMA[operation.path][operation.method]
    # What the document allows is asked where there is something; what it does not, anywhere.
    there = {name: house.places[name] for name in operation.places} if mode.is_positive else {}
    if operation.writes and "code" in there:
        there["code"] = "BAITA"  # it may get another
    answered: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # What is found is told as it was sent; to look for the shortest would take long.
        phases=[Phase.generate],
    )
    @given(case=described.as_strategy(generation_mode=mode, path_parameters=there or None))
    def ask(case: Any) -> None:
        answered.add(case.call_and_validate(headers=house.headers, checks=CHECKS).status_code)

    ask()
    if mode.is_positive:
        assert answered >= FOUND.get(operation.method, set())


def test_the_document_is_one(house: Inhabited) -> None:
    answer = house.console.app.test_client().get("/api/v1/openapi.json", headers=house.headers)
    assert answer.get_json() == OURS
    for name, schema in OURS["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema | {"$id": f"urn:x:{name}"})
    ids = [each["operationId"] for path in OURS["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids)) == len(all_operations())
    assert {area.name for area in AREAS} == {
        tag for path in OURS["paths"].values() for each in path.values() for tag in each["tags"]
    }


def test_the_document_names_no_house(house: Inhabited) -> None:
    configuration = house.console.house.configuration
    text = json.dumps(OURS)
    for secret in (*configuration.our_numbers, configuration.twilio.account_sid, str(configuration.folder)):
        assert secret not in text


def test_everything_that_is_sent_refuses_what_it_does_not_know() -> None:
    for operation in all_operations():
        for model in (operation.body, operation.query):
            if model is not None:
                assert model.model_json_schema()["additionalProperties"] is False, operation.name


def test_the_paper_says_what_holds() -> None:
    assert api_paper.rendered() == (ROOT / "docs" / "api.json").read_text(encoding="utf-8"), (
        "run `python docs/api.py`"
    )
    assert api_paper.table() in (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), (
        "run `python docs/api.py`"
    )
