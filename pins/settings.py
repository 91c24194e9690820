"""`[pins]`"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

# OWASP's first choice for argon2id without special hardware: 19 MiB, two passes, one lane.
DEFAULT_MEMORY_KIB = 19456
DEFAULT_PASSES = 2


class HashCost(BaseModel):
    """Cost of one PIN check: memory in KiB and passes of argon2id."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    memory_kib: Annotated[int, Field(ge=8, le=1_048_576)] = DEFAULT_MEMORY_KIB
    passes: Annotated[int, Field(ge=1, le=20)] = DEFAULT_PASSES
    # Rows carry the version they were hashed under: other figures need a version of their own.
    version: Annotated[int, Field(ge=1, le=1000)] = 1

    def weaker_than_default(self) -> bool:
        """Whether this may be used in tests and rehearsals only."""
        return self.memory_kib < DEFAULT_MEMORY_KIB or self.passes < DEFAULT_PASSES


class PinSettings(BaseModel):
    """The keys of the PIN index, and how a caller is asked.

    `peppers` are hex keys of 32 bytes, the oldest first; each later one wraps those before it, so
    none may ever be dropped from the front. `salt` is the deployment's, 16 bytes in hex: losing
    either makes every issued PIN unknown. Both may be missing until PINs are issued or checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    peppers: Annotated[list[SecretStr], Field(max_length=16)] = []
    salt: SecretStr = SecretStr("")
    cost: HashCost = HashCost()
    # Cost under which PINs that still live were issued: each check then costs these hashes too.
    former_costs: Annotated[list[HashCost], Field(max_length=3)] = []
    # How many slow hashes run at once, and how many more are kept for callers known by number.
    slots: Annotated[int, Field(ge=1, le=64)] = 2
    slots_for_known: Annotated[int, Field(ge=1, le=64)] = 1
    # Days in which a rotated PIN still works beside the new one.
    overlap_days: Annotated[int, Field(ge=0, le=90)] = 7
    # Months after which a PIN ends, counted from its issue; 0: it does not end by age.
    max_age_months: Annotated[int, Field(ge=0, le=120)] = 0
    # Whether callers without a PIN are heard by a technician, who decides. Off: they are told whom to call.
    screen_without_pin: bool = False

    @field_validator("peppers")
    @classmethod
    def long_peppers(cls, value: list[SecretStr]) -> list[SecretStr]:
        for secret in value:
            hex_of(secret, 32)
        return value

    @field_validator("salt")
    @classmethod
    def long_salt(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            hex_of(value, 16)
        return value

    @field_validator("former_costs")
    @classmethod
    def told_apart(cls, value: list[HashCost], info: ValidationInfo) -> list[HashCost]:
        costs = [*value, info.data.get("cost", HashCost())]
        if len({cost.version for cost in costs}) < len(costs):
            raise ValueError("each cost, pins.cost included, needs a version of its own")
        if len({(cost.memory_kib, cost.passes) for cost in costs}) < len(costs):
            raise ValueError("the same figures stand twice: every check would cost that hash twice")
        return value


class LetterSettings(BaseModel):
    """What a letter to a customer says of the company. Texts by language; empty ones are left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # A picture (SVG or PNG), its path taken from the configuration's folder.
    logo: str = ""
    # The sender's address, a line each.
    address: list[str] = []
    # Whom to call by day, as it is to be printed.
    office_phone: str = ""
    office_email: str = ""
    # Said at the end, beside what the program itself says of privacy.
    privacy: dict[str, str] = {}
    closing: dict[str, str] = {}
    signature: str = ""
    # For a printer that turns sheets over: each letter begins on a sheet of its own.
    two_sided: bool = False

    @field_validator("privacy", "closing")
    @classmethod
    def by_language(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(value) - {"it", "en", "de"}):
            raise ValueError(f"expected texts by language (it, en, de); got {', '.join(unknown)}")
        return value


def hex_of(secret: SecretStr, length: int) -> None:
    """Raises ValueError if `secret` is not `length` random bytes in hexadecimal."""
    try:
        raw = bytes.fromhex(secret.get_secret_value())
    except ValueError:
        raw = b""
    if len(raw) != length or len(set(raw)) < length // 4:
        raise ValueError(f"expected {length} random bytes in hexadecimal; `ivr init` makes them")
