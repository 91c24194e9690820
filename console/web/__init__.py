"""The web console. `guard` decides who comes in and what every answer carries, `pages/` has a file an area,
`words/` what is said. Pages are thin: they read, call the verbs of the other packages, and show.
"""
