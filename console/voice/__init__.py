"""Sentences in the house's own voice: played at the door, brought there by the worker, listed for people."""
