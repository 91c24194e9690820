"""Tickets for a helpdesk: what is told of an event, and how it leaves by e-mail or by a signed webhook."""
