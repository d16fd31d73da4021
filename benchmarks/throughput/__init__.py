"""`berry run` beside other ways to sample the same responses."""
