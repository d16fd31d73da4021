"""These tests parse all code."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def _no_garbage_is_collected() -> Iterator[None]:
    """Python 3.11's `ast.parse` fails if it is called again within itself, as by the garbage collector
    when it reports an exception of an earlier test that nobody asked for (a traceback parses lines)."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
