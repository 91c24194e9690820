"""What people ask of the calls afterwards: found, told, counted. Nothing here is on the path of a call."""
