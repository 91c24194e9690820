"""The slow keyed hash: the same PIN always gives the same 32 bytes, and new keys wrap old ones."""

from __future__ import annotations

import hashlib
import hmac
import threading

import pytest
from argon2.low_level import Type, hash_secret_raw
from making import PEPPER, SALT, SECOND_PEPPER, pin_settings
from pydantic import SecretStr, ValidationError

from pins.index import PARAMS_VERSION, Digest, PinIndex
from pins.settings import DEFAULT_MEMORY_KIB, DEFAULT_PASSES, HashCost, PinSettings


def by_hand(pin: str, *peppers: str) -> bytes:
    """The digest as the papers write it, with another library than the one in use."""
    value = hash_secret_raw(
        pin.encode(),
        bytes.fromhex(SALT),
        time_cost=1,
        memory_cost=8,
        parallelism=1,
        hash_len=32,
        type=Type.ID,
    )
    for pepper in peppers:
        value = hmac.new(bytes.fromhex(pepper), value, hashlib.sha256).digest()
    return value


def test_a_digest_is_an_hmac_over_the_raw_argon2id() -> None:
    (digest,) = PinIndex(pin_settings()).digests("38205917")
    assert digest == Digest(by_hand("38205917", PEPPER), 1, PARAMS_VERSION)
    assert len(digest.value) == 32


def test_it_is_deterministic_and_every_digit_counts() -> None:
    index = PinIndex(pin_settings())
    assert index.digests("04719268") == index.digests("04719268")
    assert PinIndex(pin_settings()).digests("04719268") == index.digests("04719268")
    all_digests = {index.digests(pin)[0].value for pin in ("04719268", "4719268", "04719269", "004719268")}
    assert len(all_digests) == 4


def test_a_new_pepper_wraps_the_old_one() -> None:
    (old,) = PinIndex(pin_settings(PEPPER)).digests("38205917")
    new = PinIndex(pin_settings(PEPPER, SECOND_PEPPER)).digests("38205917")
    assert [digest.key_version for digest in new] == [2, 1]
    # What was issued under the first key is still found …
    assert new[1] == old
    # … and every row could be wrapped without knowing one PIN.
    assert new[0].value == hmac.new(bytes.fromhex(SECOND_PEPPER), old.value, hashlib.sha256).digest()
    assert new[0].value == by_hand("38205917", PEPPER, SECOND_PEPPER)


def test_another_pepper_or_salt_gives_another_digest() -> None:
    other_salt = pin_settings().model_copy(update={"salt": SecretStr(bytes(range(90, 106)).hex())})
    found = {
        PinIndex(each).digests("38205917")[0].value
        for each in (pin_settings(), pin_settings(SECOND_PEPPER), other_salt)
    }
    assert len(found) == 3


def test_without_its_secrets_there_is_no_index() -> None:
    with pytest.raises(ValueError, match=r"pins\.peppers and pins\.salt"):
        PinIndex(PinSettings())
    with pytest.raises(ValueError, match=r"pins\.salt"):
        PinIndex(PinSettings(peppers=[SecretStr(PEPPER)]))
    with pytest.raises(ValueError, match=r"pins\.peppers"):
        PinIndex(PinSettings(salt=SecretStr(SALT)))


@pytest.mark.parametrize("secret", ["", "ab", "00" * 32, "zz" * 32, PEPPER[:-2], PEPPER + "00", "0123" * 16])
def test_a_weak_pepper_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PinSettings(peppers=[SecretStr(secret)])
    (mistake,) = refused.value.errors(include_input=False)
    assert "32 random bytes" in mistake["msg"]
    assert not secret or secret not in mistake["msg"]


@pytest.mark.parametrize("secret", ["ab", "00" * 16, SALT[:-2], "zz" * 16])
def test_a_weak_salt_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="16 random bytes"):
        PinSettings(salt=SecretStr(secret))


def test_the_default_cost_is_the_one_of_the_papers() -> None:
    assert (DEFAULT_MEMORY_KIB, DEFAULT_PASSES) == (19456, 2)
    assert not HashCost().weaker_than_default()
    assert HashCost(memory_kib=DEFAULT_MEMORY_KIB - 1).weaker_than_default()
    assert HashCost(passes=1).weaker_than_default()
    assert not HashCost(memory_kib=65536, passes=3).weaker_than_default()


def test_a_known_caller_never_queues_behind_junk(monkeypatch: pytest.MonkeyPatch) -> None:
    index = PinIndex(pin_settings().model_copy(update={"slots": 1, "slots_for_known": 1}))
    entered, leave = threading.Event(), threading.Event()

    class Slow:
        def hash(self, pin: str) -> str:
            if pin == "junk":
                entered.set()
                assert leave.wait(10)
            return pin

        def from_string(self, text: str) -> Slow:
            self.checksum = text.encode()
            return self

    monkeypatch.setattr(index, "_hasher", Slow())
    junk = threading.Thread(target=index.digests, args=("junk",))
    waiting = threading.Thread(target=index.digests, args=("more junk",))
    junk.start()
    assert entered.wait(10)
    waiting.start()
    try:
        # The junk holds the only common slot; this answers all the same.
        assert index.digests("38205917", known_caller=True)
        assert waiting.is_alive()
    finally:
        leave.set()
        junk.join(10)
        waiting.join(10)
    assert not waiting.is_alive()
