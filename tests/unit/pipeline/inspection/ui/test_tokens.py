"""The text of single tokens, however long the step."""

import random
import time

import pytest

from pipeline.inspection.ui import tokens
from pipeline.inspection.ui.tokens import token_texts

SIMULATED = {"engine": {"use": "simulated"}}


@pytest.mark.parametrize("text", ["plain " * 40, "ü漢🙂 x" * 60, "é" * 200, "🙂" * 100])
def test_tokens_spell_the_step(text: str) -> None:
    ids = list(text.encode())
    found = token_texts(SIMULATED, ids)
    assert (len(found), "".join(found)) == (len(ids), text)
    # A character is the text of its last token.
    ends = [place for place, one in enumerate(found) if one]
    assert all(len(found[place]) == 1 for place in ends)


def test_the_window_changes_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(0)
    for _ in range(20):
        ids = [dice.choice([65, 32, 0xC3, 0xA9, 0xF0, 0x9F, 0x99, 0x82]) for _ in range(300)]
        found = token_texts(SIMULATED, ids)
        with monkeypatch.context() as patched:
            patched.setattr(tokens, "_WINDOW", 10**9)
            assert found == token_texts(SIMULATED, ids)


def test_a_long_step_takes_no_time() -> None:
    began = time.process_time()
    found = token_texts(SIMULATED, list(b"So it goes on and on. " * 1000))
    assert len(found) == 22_000
    assert time.process_time() - began < 5
