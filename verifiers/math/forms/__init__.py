"""The parsed form of an answer: nodes, units, conventions."""
