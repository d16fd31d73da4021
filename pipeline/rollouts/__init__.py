"""Splits rollouts into steps, samples them step by step, and ends those with low scores early."""
