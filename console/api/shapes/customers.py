"""Customers, as `ivr customer list --json` tells them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from console.api.shapes.common import E164, Code, Day, Given, Next, Reason, Shape, Text
from pins import customer_card as card

Coverage = Literal["contract", "prepaid", "none"]
Language = Literal["it", "en", "de"]
Name = Annotated[Text, Field(min_length=1, max_length=card.LONGEST_NAME)]
SpokenName = Annotated[
    Text, Field(max_length=card.LONGEST_NAME, description="How the name is spoken, if not as it is written.")
]
Minutes = Annotated[int, Field(ge=0, le=card.MOST_MINUTES, description="Minutes left of a prepaid package.")]
Address = Annotated[Text, Field(max_length=card.LONGEST_ADDRESS, description="Where letters go.")]
Email = Annotated[Text, Field(max_length=card.LONGEST_EMAIL)]
Notes = Annotated[Text, Field(max_length=card.LONGEST_NOTES)]
Phones = Annotated[
    list[E164], Field(max_length=card.MOST_PHONES, description="Known numbers; the list is replaced whole.")
]


class SiteGiven(Given):
    """A place where the customer's machines stand."""

    name: Annotated[str, Field(min_length=1, max_length=card.LONGEST_SITE, pattern=r"^[^:|\x00-\x1f]+$")]
    address: Annotated[str, Field(max_length=card.LONGEST_ADDRESS, pattern=r"^[^|\x00-\x1f]*$")] = ""


Sites = Annotated[
    list[SiteGiven], Field(max_length=card.MOST_SITES, description="The list is replaced whole.")
]


def _without_defaults(schema: dict[str, Any]) -> None:
    """What is not given has no value at all."""
    for field in schema["properties"].values():
        field.pop("default", None)


class NewCustomer(Given):
    """A customer to be added."""

    name: Name
    code: Code | None = Field(default=None, description="Made of the name if not given.")
    spoken_name: SpokenName | None = None
    language: Language | None = Field(default=None, description="null: the number's.")
    coverage: Coverage = "contract"
    contract_from: Day | None = Field(default=None, description="First day; null: from ever.")
    contract_until: Day | None = Field(default=None, description="Last day; null: without an end.")
    minutes: Minutes | None = None
    phones: Phones = Field(default=[])
    sites: Sites = Field(default=[])
    address: Address = ""
    email: Email = ""
    letters_by_email: bool = Field(default=False, description="He has agreed to it.")
    notes: Notes = ""


class CustomerChanges(Given):
    """Fields of a customer that are to be others. What is not given stays; a list is replaced whole."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Name = ""
    code: Code = ""
    spoken_name: SpokenName = ""
    language: Language | None = None
    coverage: Coverage = "contract"
    contract_from: Day | None = None
    contract_until: Day | None = None
    minutes: Minutes | None = None
    phones: Phones = Field(default=[])
    sites: Sites = Field(default=[])
    address: Address = ""
    email: Email = ""
    letters_by_email: bool = False
    notes: Notes = ""


class ContractEnd(Given):
    """The end of a contract."""

    on: Day | None = Field(default=None, description="Its last day; today if not given.")
    reason: Reason = ""


class SiteShown(Shape):
    """A place where the customer's machines stand."""

    name: str
    address: str


class CustomerShown(Shape):
    """A customer and what he has bought. Days are inclusive, by the service's clocks."""

    id: int
    code: str
    name: str
    spoken_name: str
    language: str | None
    coverage: str
    contract_from: date | None
    contract_until: date | None
    minutes: int | None
    phones: list[str]
    sites: list[SiteShown]
    address: str
    email: str
    letters_by_email: bool
    notes: str


class CustomerPage(Shape):
    """Some of the customers, in the order in which they were added."""

    customers: list[CustomerShown]
    next: Next
