"""The service as a newcomer meets it: the command, the documented files, HTTP. Nothing of it is imported."""
