"""Sentences that were recorded by somebody of the house, and are played instead of being spoken."""
