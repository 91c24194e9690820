"""What a helpdesk is told of cases and messages."""
