"""Twilio's door: signed requests in, TwiML out.

The only package that knows Twilio, and it knows no SQL.
"""
