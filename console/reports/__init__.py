"""A report for people: its words, its tables, its printable page."""
