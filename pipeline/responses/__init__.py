"""Judges responses from outside a run: from a file, or sent by a trainer over HTTP."""
