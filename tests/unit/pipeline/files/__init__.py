"""Tests of `pipeline/files`."""
