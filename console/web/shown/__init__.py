"""What pages show, gathered in one reading, with no HTML in it."""
