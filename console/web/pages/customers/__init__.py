"""Customers: found, shown, changed, brought in and out as sheets, erased."""

from __future__ import annotations

from console.web.customer_sheets import check, write
from console.web.pages.customers import changes, erase, lists, sheets
from console.web.pages.customers.common import area

__all__ = ["JOBS", "area", "changes", "erase", "lists", "sheets"]

JOBS = {"customer-check": check, "customer-import": write}
