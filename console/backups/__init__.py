"""Backups: written, kept one a day, read again, restored; and what must happen after a restore.

A backup is logical (`storage.dump`) and sealed (`storage.sealed_file`) with a key that is in the
configuration and nowhere else. It holds every table and the recordings of messages that were fetched; not
the ledger and the anchors, which vouch for it only if they are kept apart from it; not letters on their way,
whose keys are in the database: together they would give PINs away. See docs/backup.md.
"""

# The format of what is in the sealed file; a program that does not know it refuses it.
FORMAT = 1
# The act that a ledger learns of each backup: a ledger that knows it is not older than the backup.
MARK = "backup"
# The recordings, in the state folder.
RECORDINGS = "messages"
