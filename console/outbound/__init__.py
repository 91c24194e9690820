"""What leaves the house: by telephone, text, e-mail and other services, and what it says."""
