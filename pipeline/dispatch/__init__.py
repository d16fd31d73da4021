"""Sends responses to verifiers and steps to reward models in batches, in this or other processes."""
