"""Whose request it is: signatures against vectors of another implementation, and what is never believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from making import ACCOUNT, NIGHT, SID, TOKEN, configuration, fresh_database
from pydantic import SecretStr
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from console.house import House
from console.phone.signature import signed
from console.processes.doors import webhook_app
from ivr.tables import calls, turns
from storage.engine import Database
from webhooks.settings import Signatures
from webhooks.signature import HEADER, SignatureCheck

PUBLIC = "https://ivr.example.net"
SECOND_TOKEN = "fedcba09876543210987654321fedcba"
FORM = {"CallSid": SID, "AccountSid": ACCOUNT, "From": "+393471112201", "To": "+390461825060"}

# path, query, form, signature. Made with `printf '%s' "$address$pairs" | openssl dgst -sha1 -hmac "$token"
# -binary | base64`, the pairs sorted and run together by hand.
VECTORS = {
    "a call": ("/voice", "", FORM, "zEi7wvsQ6JtDm0bkvUPW0wqjsEQ="),
    "a query": (
        "/voice/turn/3",
        "l=gAAAAAB-x_Y",
        {"Digits": "38205917", "CallSid": SID},
        "IA2DFiyoubi0WWLseUPsDUpZFCg=",
    ),
    "no parameters": ("/voice", "", {}, "dXi7GT2NZxgUjOE289QtXs8De+c="),
}


def check(*tokens: str, public_url: str = PUBLIC) -> SignatureCheck:
    return SignatureCheck(list(tokens or (TOKEN,)), public_url)


def by_hand(address: str, form: list[tuple[str, str]], token: str = TOKEN) -> str:
    """The signature as Twilio's documentation describes it, without Twilio's library."""
    text = address + "".join(name + value for name, value in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


# -- the check ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "query", "form", "signature"), VECTORS.values(), ids=VECTORS.keys())
def test_a_signature_that_another_implementation_made(
    path: str, query: str, form: dict[str, str], signature: str
) -> None:
    assert check().holds(path, query, MultiDict(form), signature)
    address = f"{PUBLIC}{path}" + (f"?{query}" if query else "")
    assert by_hand(address, list(form.items())) == signature


def test_the_example_of_twilio_s_documentation() -> None:
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    documented = check("12345", public_url="https://mycompany.com")
    assert documented.holds("/myapp.php", "foo=1&bar=2", MultiDict(form), "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")


def test_names_are_sorted_by_their_bytes_and_values_are_utf8() -> None:
    form = [("a", "è"), ("B", "€"), ("A", "b"), ("b", "")]
    signature = by_hand(f"{PUBLIC}/voice", form)
    assert check().holds("/voice", "", MultiDict(form), signature)


SIGNED = VECTORS["a call"][3]


@pytest.mark.parametrize(
    ("path", "query", "changed"),
    [
        ("/voice/", "", {}),
        ("/voice", "a=1", {}),
        ("/Voice", "", {}),
        ("/voice/fallback", "", {}),
        ("/voice", "", {"From": "+393471112202"}),
        ("/voice", "", {"Digits": "1"}),
        ("/voice", "", {"CallSid": SID[:-1] + "2"}),
        ("/voice", "", {"to": "+390461825060"}),
    ],
)
def test_nothing_of_a_signed_request_may_differ(path: str, query: str, changed: dict[str, str]) -> None:
    assert not check().holds(path, query, MultiDict({**FORM, **changed}), SIGNED)


def test_nothing_may_be_missing() -> None:
    for name in FORM:
        assert not check().holds(
            "/voice", "", MultiDict({k: v for k, v in FORM.items() if k != name}), SIGNED
        )


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        " ",
        "è",
        "²²",
        "zEi7wvsQ6JtDm0bkvUPW0wqjsEQ",
        SIGNED.lower(),
        SIGNED + "=",
        SIGNED + " ",
        "\x00",
    ],
)
def test_a_signature_that_is_none(signature: str | None) -> None:
    assert not check().holds("/voice", "", MultiDict(FORM), signature)


@pytest.mark.parametrize(
    "address", ["http://ivr.example.net", "https://ivr.example.net.evil", "https://other"]
)
def test_the_address_is_the_configured_one(address: str) -> None:
    assert not check(public_url=address).holds("/voice", "", MultiDict(FORM), SIGNED)
    assert check(public_url=PUBLIC + "/").holds("/voice", "", MultiDict(FORM), SIGNED)


def test_either_of_two_tokens_is_believed() -> None:
    both = check(SECOND_TOKEN, TOKEN)
    assert both.holds("/voice", "", MultiDict(FORM), SIGNED)
    assert both.holds("/voice", "", MultiDict(FORM), "ILwPPFbjZK7V7NUO7u6bGnz42oI=")
    assert not check(SECOND_TOKEN).holds("/voice", "", MultiDict(FORM), SIGNED)
    # Signed with the empty token, which anybody has.
    assert not both.holds("/voice", "", MultiDict(FORM), "JMHbo/QrkRHpsiq8JvAIbkSz4oo=")


@pytest.mark.parametrize("tokens", [[], [""], [TOKEN, ""]])
def test_an_empty_token_is_no_token(tokens: list[str]) -> None:
    with pytest.raises(ValueError, match="token"):
        SignatureCheck(tokens, PUBLIC)


# -- at the door -------------------------------------------------------------------------------------


@dataclass
class AtTheDoor:
    """The webhook application, and the means to post to it with any signature."""

    client: FlaskClient
    database: Database

    def post(
        self,
        path: str = "/voice",
        form: dict[str, str] | None = None,
        signature: str | None = "right",
        **headers: str,
    ) -> TestResponse:
        form = FORM if form is None else form
        if signature == "right":
            signature = by_hand(f"{PUBLIC}{path}", list(form.items()))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if signature is not None:
            given[HEADER] = signature
        return self.client.post(path, data=form, headers=given)

    def rows(self) -> int:
        with self.database.read() as connection:
            return sum(
                connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (calls, turns)
            )


@pytest.fixture
def door(tmp_path: Path) -> Iterator[AtTheDoor]:
    with fresh_database(tmp_path) as database:
        app = webhook_app(House(configuration(tmp_path), database), lambda: NIGHT)
        yield AtTheDoor(app.test_client(), database)


ADDRESSES = [
    "/voice",
    "/voice/turn/1",
    "/voice/fallback",
    "/voice/status",
    "/voice/recording",
    "/voice/technician/0",
]


@pytest.mark.parametrize("signature", [None, "", "è", "zEi7wvsQ6JtDm0bkvUPW0wqjsEA="])
@pytest.mark.parametrize("path", ADDRESSES)
def test_without_a_right_signature_nothing_happens(door: AtTheDoor, path: str, signature: str | None) -> None:
    answer = door.post(path, signature=signature and signature.encode("utf-8").decode("latin-1"))
    assert answer.status_code == 403
    assert answer.text == "Forbidden\n"
    assert door.rows() == 0


def test_with_one_the_call_is_served(door: AtTheDoor) -> None:
    answer = door.post(signature=SIGNED)
    assert answer.status_code == 200
    assert answer.content_type == "text/xml; charset=utf-8"
    assert door.rows() == 2


@pytest.mark.parametrize("host", ["x:99999", "x:abc", "a b", "x/..", "", "x:1:2"])
def test_a_host_that_is_none(door: AtTheDoor, host: str) -> None:
    answer = door.post(signature=SIGNED, Host=host)
    assert answer.status_code in (400, 403)
    assert "Traceback" not in answer.text
    assert door.rows() == 0


def test_the_host_header_is_not_what_is_signed(door: AtTheDoor) -> None:
    assert door.post(signature=SIGNED, Host="evil.example:8080").status_code == 200
    evil = by_hand("https://evil.example/voice", list(FORM.items()))
    assert door.post(signature=evil, Host="evil.example").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_Host": "evil.example"},
        {"X_Forwarded_Proto": "http"},
        {"X_Forwarded_Port": "99999"},
        {"X_Forwarded_For": "54.172.60.0"},
        {"X_Forwarded_Prefix": "/evil"},
        {"Forwarded": "host=evil.example;proto=http"},
        {"X_Original_URL": "/healthz"},
        {"X_HTTP_Method_Override": "GET"},
    ],
)
def test_forged_headers_change_nothing(door: AtTheDoor, headers: dict[str, str]) -> None:
    assert door.post(signature=SIGNED, **headers).status_code == 200
    forged = by_hand("http://evil.example/voice", list(FORM.items()))
    assert door.post(signature=forged, **headers).status_code == 403


@pytest.mark.parametrize(
    "moved",
    [
        {"Digit": "s1"},
        {"Di": "gits1"},
        {"Digits1": ""},
        {"D": "igits1"},
    ],
)
def test_a_signed_key_hidden_behind_a_moved_border_has_no_effect(
    door: AtTheDoor, moved: dict[str, str]
) -> None:
    """`Digits=1` and `Digit=s1` share one signature: without the key it would pass for silence."""
    door.post(signature=SIGNED)
    signed = {**FORM, "Digits": "1"}
    path = "/voice/turn/1"
    answer = door.post(path, {**FORM, **moved}, signature=by_hand(f"{PUBLIC}{path}", list(signed.items())))
    assert answer.status_code in (400, 403)
    assert door.rows() == 2


def test_get_is_not_served(door: AtTheDoor) -> None:
    for path in ADDRESSES:
        assert door.client.get(path, headers={HEADER: by_hand(f"{PUBLIC}{path}", [])}).status_code == 405


# -- the newer scheme: a shared key, HMAC-SHA256, and a header that says so -----------------------------

KEY = "whsk-0123456789abcdefghijklmnopqrstuv"
OTHER_KEY = "whsk-vutsrqponmlkjihgfedcba9876543210"
SAYS_256 = "key=webhooks_sharedkey_01,algorithm=HMAC_SHA256"
# As VECTORS, with `openssl dgst -sha256 -hmac "$key"`.
SHA256 = {
    "a call": ("/voice", "", FORM, "9+voaQy/hgZAcPnJFbsdtyEnNGGUr+cUpErKCrJIPzo="),
    "a query": (
        "/voice/turn/3",
        "l=gAAAAAB-x_Y",
        {"Digits": "38205917", "CallSid": SID},
        "DTCIk95jWOpZr5bXvSoF6AYv6uMnsGX4pt14Ud3/YMs=",
    ),
}
BY_KEY = SHA256["a call"][3]
MODES: tuple[Signatures, ...] = ("sha1", "sha256", "both")


def newer(signatures: Signatures, *keys: str) -> SignatureCheck:
    return SignatureCheck([TOKEN], PUBLIC, signatures, list(keys or (KEY,)))


def hmac_of(algorithm: str, secret: str) -> str:
    """FORM posted to /voice, signed with any secret by any algorithm."""
    text = f"{PUBLIC}/voice" + "".join(name + value for name, value in sorted(FORM.items()))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), algorithm).digest()).decode()


@pytest.mark.parametrize(("path", "query", "form", "signature"), SHA256.values(), ids=SHA256.keys())
def test_a_shared_key_s_signature_that_another_implementation_made(
    path: str, query: str, form: dict[str, str], signature: str
) -> None:
    for check in (newer("sha256"), newer("both"), newer("sha256", OTHER_KEY, KEY)):
        assert check.holds(path, query, MultiDict(form), signature, SAYS_256)
        assert not check.holds(path, query, MultiDict({**form, "Digits": "1"}), signature, SAYS_256)
    assert not newer("sha256", OTHER_KEY).holds(path, query, MultiDict(form), signature, SAYS_256)


# Each secret under each algorithm, with what the second header may say of it.
@pytest.mark.parametrize("says", [None, "", SAYS_256, "key=webhooks_sharedkey_01,algorithm=HMAC_SHA1"])
@pytest.mark.parametrize("secret", [TOKEN, KEY, OTHER_KEY, ""])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
def test_a_request_never_chooses_a_weaker_check_than_is_configured(
    algorithm: str, secret: str, says: str | None
) -> None:
    signature = hmac_of(algorithm, secret)
    by_token = (algorithm, secret) == ("sha1", TOKEN) and (says is None or says.endswith("HMAC_SHA1"))
    by_key = (algorithm, secret, says) == ("sha256", KEY, SAYS_256)
    believed = {mode: newer(mode).holds("/voice", "", MultiDict(FORM), signature, says) for mode in MODES}
    assert believed == {"sha1": by_token, "sha256": by_key, "both": by_token or by_key}


@pytest.mark.parametrize(
    "says",
    [
        "",
        ",",
        "=",
        "algorithm",
        "algorithm=",
        "key=webhooks_sharedkey_01",
        "algorithm=HMAC_SHA512",
        "algorithm=HMAC_MD5",
        "algorithm=none",
        "algorithm=HMAC_SHA1,algorithm=HMAC_SHA256",
        "algorithm=HMAC_SHA256,algorithm=HMAC_SHA1",
        "algorithm=HMAC_SHA256,algorithm=HMAC_SHA256",
        "algorithm=,algorithm=HMAC_SHA256",
        "Algorithm=HMAC_SHA256",
        "algorithm = HMAC_SHA256 ; HMAC_SHA1",
        "algorithm=hmac_ſha256",
        "algorithm=HMAC_SHA256\x00",
    ],
)
def test_an_algorithm_that_is_none_is_not_believed(says: str) -> None:
    """Twilio's own library takes a header without an algorithm for HMAC-SHA1."""
    for mode in MODES:
        for signature in (SIGNED, BY_KEY):
            assert not newer(mode).holds("/voice", "", MultiDict(FORM), signature, says)


def test_no_shared_key_is_no_key() -> None:
    for mode in MODES[1:]:
        for keys in ([], [""], [KEY, ""]):
            with pytest.raises(ValueError, match="shared key"):
                SignatureCheck([TOKEN], PUBLIC, mode, keys)


def test_at_the_door_the_second_header_counts(tmp_path: Path) -> None:
    made = configuration(tmp_path)
    twilio = made.twilio.model_copy(update={"signatures": "sha256", "shared_keys": [SecretStr(KEY)]})
    with fresh_database(tmp_path) as database:
        app = webhook_app(House(made.model_copy(update={"twilio": twilio}), database), lambda: NIGHT)
        door = AtTheDoor(app.test_client(), database)
        assert door.post(signature=SIGNED).status_code == 403
        assert door.post(signature=BY_KEY).status_code == 403
        weaker = "key=webhooks_sharedkey_01,algorithm=HMAC_SHA1"
        assert door.post(signature=SIGNED, X_Twilio_Webhooks_Signature_Settings=weaker).status_code == 403
        assert door.rows() == 0
        told = {"X_Twilio_Webhooks_Signature_Settings": SAYS_256}
        foreign = {**FORM, "AccountSid": "AC" + "f" * 32}
        assert door.post(form=foreign, signature=by_key(foreign), **told).status_code == 403
        assert door.rows() == 0
        assert door.post(signature=BY_KEY, **told).status_code == 200
        assert door.rows() == 2


def by_key(form: dict[str, str]) -> str:
    text = f"{PUBLIC}/voice" + "".join(name + value for name, value in sorted(form.items()))
    return base64.b64encode(hmac.new(KEY.encode(), text.encode(), "sha256").digest()).decode()


def test_the_telephone_signs_so_too() -> None:
    headers = signed(TOKEN, KEY, f"{PUBLIC}/voice", list(FORM.items()))
    says = headers["X-Twilio-Webhooks-Signature-Settings"]
    assert newer("sha256").holds("/voice", "", MultiDict(FORM), headers[HEADER], says)
    assert headers[HEADER] == BY_KEY
