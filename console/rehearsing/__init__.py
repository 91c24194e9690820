"""A telephone and everybody's hands on it, without a screen: what the terminal and the console share.

stage.py     who may call whom, on a throwaway copy or on the running service
session.py   the telephone: what can be done now, and what happened
asked.py     what a line listens for
phones.py    what each phone on the table does
orders.py    what is done, as lines of text
summary.py   what the journal says afterwards, and the conversation as a test
"""
