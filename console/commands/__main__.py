"""`python -m console.commands` is `ivr`."""

from console.commands import main

main()
