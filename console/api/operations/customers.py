"""Customers: found, added, changed, their contracts ended. To erase one is left to people."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from console.access.scopes import Scope
from console.api import cursor
from console.api.asked import Asked
from console.api.operation import Area
from console.api.shapes.common import Code, Pages
from console.api.shapes.customers import (
    ContractEnd,
    CustomerChanges,
    CustomerPage,
    CustomerShown,
    NewCustomer,
    SiteShown,
)
from pins import customers
from pins.customer_card import fields_of
from pins.customers import Contract, Customer, Site

area = Area("customers", "Customers and their contracts. None is ever erased here: that is left to people.")


@area.get("/customers", Scope.CUSTOMERS_READ)
def list_customers(asked: Asked, connection: Connection, query: Pages) -> CustomerPage:
    """Customers in the order in which they were added, a page at a time."""
    after = cursor.read("customers", query.cursor, int)
    found = customers.some(connection, after=after[0] if after else 0, limit=query.limit + 1)  # type: ignore[arg-type]
    rows, more = found[: query.limit], len(found) > query.limit
    return CustomerPage(
        customers=[_shown(each) for each in rows],
        next=cursor.write("customers", rows[-1].id) if more else None,
    )


@area.post("/customers", Scope.CUSTOMERS_WRITE, 201)
def add_customer(asked: Asked, connection: Connection, body: NewCustomer) -> CustomerShown:
    """Add a customer. Issue a PIN to him afterwards."""
    fields = _fields(body, set(NewCustomer.model_fields))
    contract = Contract(
        fields.pop("coverage"),
        fields.pop("contract_from"),
        fields.pop("contract_until"),
        fields.pop("minutes"),
    )
    return _shown(customers.add_customer(connection, asked.actor, asked.at, contract=contract, **fields))


@area.get("/customers/{code}", Scope.CUSTOMERS_READ)
def read_customer(asked: Asked, connection: Connection, code: Code) -> CustomerShown:
    """One customer."""
    return _shown(customers.customer(connection, code))


@area.patch("/customers/{code}", Scope.CUSTOMERS_WRITE)
def change_customer(asked: Asked, connection: Connection, code: Code, body: CustomerChanges) -> CustomerShown:
    """Change what is given; what is not stays as it is. To change nothing is no act."""
    fields = _fields(body, body.model_fields_set)
    return _shown(customers.change(connection, asked.actor, asked.at, code, **fields))


@area.post("/customers/{code}/end", Scope.CUSTOMERS_WRITE)
def end_contract(asked: Asked, connection: Connection, code: Code, body: ContractEnd) -> CustomerShown:
    """End the contract. PINs stay: a call after its last day is refused, and told why."""
    on = body.on or asked.today
    return _shown(customers.end(connection, asked.actor, asked.at, code, on, body.reason or None))


def _fields(body: NewCustomer | CustomerChanges, given: set[str]) -> dict[str, Any]:
    """The fields that were given, as the registry takes them."""
    fields = {name: getattr(body, name) for name in given}
    if "sites" in fields:
        fields["sites"] = tuple(Site(site.name, site.address) for site in body.sites)
    if "phones" in fields:
        fields["phones"] = tuple(body.phones)
    return fields


def _shown(each: Customer) -> CustomerShown:
    sites = [SiteShown(name=site.name, address=site.address) for site in each.sites]
    return CustomerShown(**fields_of(each) | {"id": each.id, "phones": list(each.phones), "sites": sites})
