"""Privacy: how long what is kept and what becomes of it then, its keys, the record of processing."""
