"""The slow keyed hash: the same PIN always gives the same 32 bytes, and new keys wrap old ones."""

from __future__ import annotations

import hashlib
import hmac
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from argon2.low_level import Type, hash_secret_raw
from making import ACTOR, NIGHT, PEPPER, SALT, SECOND_PEPPER, fresh_database, pin_settings
from pydantic import SecretStr, ValidationError

from pins import customers, index, registry
from pins.index import Busy, Digest, PinIndex
from pins.registry import NewPin, PinUsedBefore
from pins.settings import DEFAULT_MEMORY_KIB, DEFAULT_PASSES, HashCost, PinSettings

FORMER = HashCost(memory_kib=8, passes=1, version=1)
CURRENT = HashCost(memory_kib=16, passes=2, version=2)


def by_hand(pin: str, *peppers: str, cost: HashCost = FORMER) -> bytes:
    """The digest as the papers write it, with another library than the one in use."""
    value = hash_secret_raw(
        pin.encode(),
        bytes.fromhex(SALT),
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=1,
        hash_len=32,
        type=Type.ID,
    )
    for pepper in peppers:
        value = hmac.new(bytes.fromhex(pepper), value, hashlib.sha256).digest()
    return value


def test_a_digest_is_an_hmac_over_the_raw_argon2id() -> None:
    (digest,) = PinIndex(pin_settings()).digests("38205917")
    assert digest == Digest(by_hand("38205917", PEPPER), 1, 1)
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


# -- a change of the cost ----------------------------------------------------------------------------


def changed_cost(*peppers: str) -> PinSettings:
    """The settings of `pin_settings`, whose cost has become a former one."""
    return pin_settings(*peppers).model_copy(update={"cost": CURRENT, "former_costs": [FORMER]})


def test_digests_of_every_cost_and_key_the_current_ones_first() -> None:
    found = PinIndex(changed_cost(PEPPER, SECOND_PEPPER)).digests("38205917")
    assert found == [
        Digest(by_hand("38205917", PEPPER, SECOND_PEPPER, cost=CURRENT), 2, 2),
        Digest(by_hand("38205917", PEPPER, cost=CURRENT), 1, 2),
        Digest(by_hand("38205917", PEPPER, SECOND_PEPPER, cost=FORMER), 2, 1),
        Digest(by_hand("38205917", PEPPER, cost=FORMER), 1, 1),
    ]


def test_every_check_costs_the_hash_of_every_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is keyed: no time tells under which cost a PIN was issued."""
    hashed: list[tuple[int, str]] = []

    class Counting:
        def __init__(self, cost: HashCost) -> None:
            self.version = cost.version

        def hash(self, pin: str) -> str:
            hashed.append((self.version, pin))
            return pin

        def from_string(self, text: str) -> Counting:
            self.checksum = text.encode()
            return self

    monkeypatch.setattr(index, "_hasher", lambda cost, salt: Counting(cost))
    checking = PinIndex(changed_cost())
    for pin in ("38205917", "00000000"):
        checking.digests(pin)
    assert sorted(hashed) == [(1, "00000000"), (1, "38205917"), (2, "00000000"), (2, "38205917")]


def test_a_pin_of_the_former_cost_is_found_and_never_issued_again(tmp_path: Path) -> None:
    old, new = PinIndex(pin_settings()), PinIndex(changed_cost())
    drawn = registry.draw(old, 8, random.Random(1))
    with fresh_database(tmp_path) as database, database.write() as connection:
        customers.add_customer(connection, ACTOR, NIGHT, "Acme", code="ACME")
        customers.add_customer(connection, ACTOR, NIGHT, "Mele", code="MELE")
        registry.issue(connection, ACTOR, NIGHT, "ACME", drawn)
        found = registry.find_pin(connection, new.digests(drawn.pin))
        assert found is not None
        assert found.code == "ACME"
        again = NewPin(drawn.pin, tuple(new.digests(drawn.pin)))
        with pytest.raises(PinUsedBefore):
            registry.issue(connection, ACTOR, NIGHT, "MELE", again)
        newer = registry.draw(new, 8, random.Random(2))
        registry.issue(connection, ACTOR, NIGHT, "MELE", newer)
        # What is issued from now on stands under the current cost.
        assert registry.find_pin(connection, old.digests(newer.pin)) is None
        assert registry.find_pin(connection, new.digests(newer.pin)[:1]) is not None


@pytest.mark.parametrize(
    ("former", "what"),
    [
        ([HashCost(memory_kib=8, passes=1, version=2)], "version of its own"),
        ([FORMER, HashCost(memory_kib=8, passes=3, version=1)], "version of its own"),
        ([HashCost(memory_kib=16, passes=2, version=1)], "same figures"),
        ([FORMER, HashCost(memory_kib=8, passes=1, version=3)], "same figures"),
    ],
)
def test_costs_that_cannot_be_told_apart_are_refused(former: list[HashCost], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        PinSettings(cost=CURRENT, former_costs=former)
    assert PinSettings(cost=CURRENT, former_costs=[FORMER]).former_costs == [FORMER]
    # Back to what was in force before: the two change places.
    assert PinSettings(cost=FORMER, former_costs=[CURRENT]).cost == FORMER


# -- how many at once --------------------------------------------------------------------------------


class Held:
    """Stands in for the hash: whoever hashes "junk" stays until `leave` is set."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Semaphore(0), threading.Event()

    def hash(self, pin: str) -> str:
        if pin == "junk":
            self.entered.release()
            assert self.leave.wait(10)
        return pin

    def from_string(self, text: str) -> Held:
        self.checksum = text.encode()
        return self


@contextmanager
def full(monkeypatch: pytest.MonkeyPatch, *, known: bool = False) -> Iterator[PinIndex]:
    """An index of one common slot, held by a junk call; with `known`, its other slot is held too."""
    held = Held()
    monkeypatch.setattr(index, "_hasher", lambda cost, salt: held)
    busy = PinIndex(pin_settings().model_copy(update={"slots": 1, "slots_for_known": 1}))
    calls = [
        threading.Thread(target=busy.digests, args=("junk",), kwargs={"known_caller": each})
        for each in ([False, True] if known else [False])
    ]
    for call in calls:
        call.start()
        assert held.entered.acquire(timeout=10)
    try:
        yield busy
    finally:
        held.leave.set()
        for call in calls:
            call.join(60)
    # Every slot is free again, once whoever waited is through.
    assert busy.digests("38205917", patience=60)
    assert busy.digests("38205917", known_caller=True, patience=60)


def test_a_known_caller_never_queues_behind_junk(monkeypatch: pytest.MonkeyPatch) -> None:
    with full(monkeypatch) as busy:
        waiting = threading.Thread(target=busy.digests, args=("more junk",))
        waiting.start()
        # The junk holds the only common slot; this answers all the same.
        assert busy.digests("38205917", known_caller=True, patience=0)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()


@pytest.mark.parametrize("patience", [0, 0.01])
def test_patience_ends(monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    with full(monkeypatch) as busy, pytest.raises(Busy):
        busy.digests("38205917", patience=patience)
    with full(monkeypatch, known=True) as busy, pytest.raises(Busy):
        busy.digests("38205917", known_caller=True, patience=patience)


def test_within_its_patience_a_check_waits_for_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known caller who found his slot taken takes whichever is free first."""
    done: list[int] = []

    def check(known: bool) -> None:
        done.append(len(busy.digests("38205917", known_caller=known, patience=60)))

    with full(monkeypatch, known=True) as busy:
        waiting = [threading.Thread(target=check, args=(known,)) for known in (False, True, True)]
        for each in waiting:
            each.start()
        assert done == []
    for each in waiting:
        each.join(60)
    assert done == [1, 1, 1]


def test_strangers_do_not_take_all_threads_to_wait_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two for each slot wait, another is asked again at once; a known caller waits like always."""
    done: list[int] = []

    def check(known: bool) -> None:
        done.append(len(busy.digests("38205917", known_caller=known, patience=60)))

    with full(monkeypatch, known=True) as busy:
        waiting = [threading.Thread(target=check, args=(known,)) for known in (False, False, True)]
        for each in waiting:
            each.start()
        while busy._slots._strangers < 2:
            time.sleep(0)
        began = time.monotonic()
        with pytest.raises(Busy):
            busy.digests("38205917", patience=60)
        assert time.monotonic() - began < 30
    for each in waiting:
        each.join(60)
    assert done == [1, 1, 1]


def test_a_failed_hash_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    only = PinIndex(pin_settings().model_copy(update={"slots": 1}))
    for _ in range(3):
        with pytest.raises(TypeError):
            only.digests(None, patience=0)  # type: ignore[arg-type]
    assert only.digests("38205917", patience=0)
