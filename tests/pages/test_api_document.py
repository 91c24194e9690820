"""The interface keeps its document: schemathesis asks every operation of the real application, over WSGI, for
what the document allows and for what it does not, and holds each answer against it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
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
from console.api.operations import AREAS, all_operations

sys.path.insert(0, str(ROOT / "docs"))
import api as api_paper

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
OURS = document(all_operations())
SCHEMA = schemathesis.openapi.from_dict(OURS)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Console, dict[str, str]]]:
    """A console with a night in it, and what a program with every scope sends."""
    with opened_console(tmp_path_factory.mktemp("api")) as console:
        night(console)
        patient(console)
        yield console, {"Authorization": f"Bearer {add_token(console)}"}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", all_operations(), ids=lambda operation: operation.name)
def test_every_answer_is_as_the_document_says(
    house: tuple[Console, dict[str, str]], operation: Any, mode: GenerationMode
) -> None:
    console, headers = house
    described = SCHEMA[operation.path][operation.method]
    described.schema.app = console.app

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # What is found is told as it was sent; to look for the shortest would take long.
        phases=[Phase.generate],
    )
    @given(case=described.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    ask()


def test_the_document_is_one(house: tuple[Console, dict[str, str]]) -> None:
    console, headers = house
    answer = console.app.test_client().get("/api/v1/openapi.json", headers=headers)
    assert answer.get_json() == OURS
    for name, schema in OURS["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema | {"$id": f"urn:x:{name}"})
    ids = [each["operationId"] for path in OURS["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids)) == len(all_operations())
    assert {area.name for area in AREAS} == {
        tag for path in OURS["paths"].values() for each in path.values() for tag in each["tags"]
    }


def test_the_document_names_no_house(house: tuple[Console, dict[str, str]]) -> None:
    configuration = house[0].house.configuration
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
