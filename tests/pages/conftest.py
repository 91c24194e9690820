"""What the tests of the console share: see `screens`."""

from screens import console, screen, tour  # noqa: F401
