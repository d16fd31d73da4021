"""`berry check`: finds problems that would spoil a run before any token is sampled."""
