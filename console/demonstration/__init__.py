"""The demonstration: fictitious people, a telephone network that rings nobody, two nights of calls."""
