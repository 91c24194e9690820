"""What is asked of Twilio's REST interface beside the calls and texts of `webhooks/outbound.py`."""
