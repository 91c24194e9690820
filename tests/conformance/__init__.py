"""What the program believes of Twilio, checked against things that others wrote. See docs/conformance.md."""
