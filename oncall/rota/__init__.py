"""Who is on duty when: rules, overrides, absences and swaps, and what is wrong with them."""
