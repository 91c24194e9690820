"""Phones that ring: attempts, the pursuit of a case that nobody has, checks before a turn begins."""
