"""The JSON interface for other programs, under /api/v1 of the console's door: docs/api.md."""
