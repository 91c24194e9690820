"""Who must be told what: the words, the channels, and how each try stands."""
