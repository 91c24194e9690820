"""People's door: the `ivr` command, the telephone that plays Twilio's part, the web console."""
