"""What would make tonight go wrong, looked for while it is still day; docs/doctor.md says each check and why.

One file a subject, each a function that is given a `Look` and yields findings; `examination.py` asks
them all.
"""
