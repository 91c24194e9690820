"""What the program is measured beside, written for the purpose."""
