"""The conversation: what is said, what each key does, what is remembered of a call.

Knows pins and oncall; never HTTP or TwiML.
"""
