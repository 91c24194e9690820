"""Cases: opened, taken, closed, found, and who may see which."""
