"""What the page of tonight shows: what is going on, the last night, what would make tonight go wrong."""
