"""Whatever is sent to the webhook door: requests nobody would send, to the real application."""
