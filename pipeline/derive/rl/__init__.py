"""Rows of `packed` as samples for libraries of reinforcement learning."""
