"""Setting our numbers up at Twilio: what would change, doing it, and putting back what stood there before."""
