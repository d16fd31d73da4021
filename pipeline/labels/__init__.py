"""Labels for the steps of a tree: the first wrong step of a response, and its probability."""
