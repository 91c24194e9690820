"""One call over real SIP and RTP: a switch that plays the carrier, phones that ring, tones that are measured.

docs/real-call.md tells what is real in it and what is not.
"""
