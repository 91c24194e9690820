"""A stand-in for Twilio's REST interface that keeps what it is told, over real HTTP on loopback.

`server` answers, `validation` holds each request and each answer against Twilio's own OpenAPI documents,
the other modules are parts of Twilio: `account`, `serverless`, `past_calls`.
"""
