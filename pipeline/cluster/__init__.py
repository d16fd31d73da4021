"""The run on Ray: workers that own engines, actors that judge and score, leases and replacements.

This package imports Ray lazily: importing `pipeline.cluster` itself does not load it.
"""
