"""What runs: the supervisor, the doors, the worker; how each begins, exchanges its configuration and ends."""
