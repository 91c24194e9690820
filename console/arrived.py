"""Reading what a visitor sends, as far as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from werkzeug.exceptions import BadRequest, HTTPException

Read = TypeVar("Read")


def arrived(read: Callable[[], Read]) -> Read:
    """What `read` makes of the body of a request. Raises BadRequest if the body breaks off, or comes in
    pieces that are none: the server finds that out only while we read, and each has errors of its own for it.
    """
    try:
        return read()
    except HTTPException:
        raise
    except Exception:
        raise BadRequest from None
