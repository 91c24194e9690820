"""Who may use the console: users with their roles, passwords and second factors, sessions, one-time links."""
