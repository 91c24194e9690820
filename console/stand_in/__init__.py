"""The document that Twilio serves for us while nothing of ours answers: made, published, watched."""
