"""The pages, a file an area: each reads, calls verbs of other packages, and shows. No rule is made here."""
