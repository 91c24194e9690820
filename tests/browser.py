"""One real browser for all tests of a worker: two at once cannot be driven from one thread."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# By itself `expect` gives up after 5 s, which a machine that is busy with something else may need. Nobody
# waits for longer than it takes.
expect.set_options(timeout=30_000)


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    reason = "Chromium is missing: pages cannot be opened as people do"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def choose(page: Page, name: str) -> None:
    """Choose from the list that has the focus, by the arrow keys. Not by its first letters: those count as
    one word only if they come within a second of each other.
    """
    for _ in range(40):
        if page.evaluate("document.activeElement.selectedOptions[0].label").strip().startswith(name):
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{name} cannot be chosen")
