"""Without the database: what a node needs then, what a call carries along, and how both come home."""
