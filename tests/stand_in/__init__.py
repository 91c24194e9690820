"""The document that Twilio serves for us, run by real Node and walked by the telephone.

`runner.js` plays Twilio's Functions: it checks the signature, hands the request on and answers what the
document answers. `walking` puts it behind an Exchange whose own host is dead.
"""
