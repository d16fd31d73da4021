"""Measures a verifier by answers that are known to be right or wrong, made by rule from a run."""
