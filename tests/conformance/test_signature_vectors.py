"""Signatures made by Twilio's library for Node.js, held against ours, which is built on the one for Python.

The vectors are fixed data: node/make_vectors.js makes them, and with Node.js here they are made again.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from twilio.request_validator import HMAC_SHA256, RequestValidator, get_signature_algorithm
from werkzeug.datastructures import MultiDict

from conformance.second_library import NODE, node
from console.phone.signature import signature as phone_signature
from console.phone.signature import without_fragment
from webhooks.signature import SignatureCheck

HERE = Path(__file__).parent
SHA1 = json.loads((HERE / "vectors.json").read_text(encoding="utf-8"))
SHA256 = json.loads((HERE / "vectors-sha256.json").read_text(encoding="utf-8"))


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def holds(vector: dict[str, Any]) -> bool:
    """Whether our door would believe the request, its public address being the one that was asked."""
    address = urlsplit(vector["address"])
    ours = SignatureCheck([vector["token"]], f"{address.scheme}://{address.netloc}")
    form = MultiDict((name, value) for name, value in vector["params"])
    return ours.holds(address.path, address.query, form, vector["signature"])


@pytest.mark.parametrize("vector", named(SHA1["vectors"]))
def test_what_the_other_library_signed_is_judged_as_it_does(vector: dict[str, Any]) -> None:
    assert holds(vector) is vector["valid"]


def test_there_are_enough_of_both_kinds() -> None:
    valid = [vector["valid"] for vector in SHA1["vectors"]]
    assert valid.count(True) >= 40
    assert valid.count(False) >= 20


@pytest.mark.parametrize("vector", named(SHA1["differences"]))
def test_where_the_two_differ_ours_is_the_stricter(vector: dict[str, Any]) -> None:
    """So nothing is believed here that Twilio's other library would not believe."""
    assert holds(vector) is vector["ours"]
    assert vector["node"] is not vector["ours"]
    assert vector["ours"] is False


def test_a_fragment_is_not_signed() -> None:
    """Twilio is told `/voice#ct=…` on the number, and asks and signs `/voice`."""
    (vector,) = (each for each in SHA1["vectors"] if "configured" in each)
    assert without_fragment(vector["configured"]) == vector["address"]
    assert holds(vector)
    signed = phone_signature(vector["token"], vector["configured"], vector["params"])
    assert signed == vector["signature"]


@pytest.mark.parametrize("vector", named(SHA256["vectors"]))
def test_the_newer_scheme_is_the_same_text_under_another_hash(vector: dict[str, Any]) -> None:
    algorithm = get_signature_algorithm(SHA256["settings"])
    assert algorithm == HMAC_SHA256
    form = MultiDict((name, value) for name, value in vector["params"])
    validator = RequestValidator(vector["token"])
    assert validator.validate(vector["address"], form, vector["signature"], algorithm) is vector["valid"]


@pytest.mark.parametrize("vector", named([each for each in SHA256["vectors"] if each["valid"]]))
def test_a_signature_of_the_newer_scheme_is_none_of_the_older(vector: dict[str, Any]) -> None:
    assert not holds(vector)


@pytest.mark.parametrize("which", ["sha1", "sha256"])
def test_the_other_library_makes_the_same_again(which: str) -> None:
    made = subprocess.run(
        [node(), "make_vectors.js", which], cwd=NODE, capture_output=True, text=True, timeout=300, check=True
    )
    assert json.loads(made.stdout) == {"sha1": SHA1, "sha256": SHA256}[which]
