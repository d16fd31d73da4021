"""`berry eval --on FILE --prm FOLDER` by a tiny model: the figures against ones worked out by hand."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForTokenClassification

from pipeline.cli.app import berry
from tests.tiny_models import byte_level, reward_model

ROWS: list[tuple[str, list[str], int]] = [
    ("1 + 2?", ["1 + 2 is 4.", "Then 4.", "So 4."], 0),
    ("2 + 2?", ["2 + 2 is 4.", "So 4."], -1),
    ("3 + 2?", ["3 + 2 is 5.", "So it is 6."], 1),
    ("5 - 2?", ["It is 3.\n", "So 3."], -1),
]
"""Problem, steps and label."""


def scores_by_hand(folder: Path, problem: str, steps: list[str]) -> list[float]:
    """Chances of `right` at the last token of each step, by one plain forward pass over the chat."""
    tokenizer = byte_level()
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": problem}], tokenize=False, add_generation_prompt=True
    )
    ids, ends = tokenizer.encode(chat, add_special_tokens=False), list[int]()
    for place, step in enumerate(steps):
        text = step.rstrip() + "\n" if place < len(steps) - 1 else step
        ids += tokenizer.encode(text, add_special_tokens=False)
        ends.append(len(ids) - 1)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    return [logits[end].softmax(-1)[1].item() for end in ends]


def test_a_trained_prm_scores_labelled_responses(tmp_path: Path) -> None:
    folder = reward_model(tmp_path / "prm", "prm")
    file = tmp_path / "labelled.jsonl"
    rows = [dict(zip(("problem", "steps", "label"), row, strict=True)) for row in ROWS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = [scores_by_hand(folder, problem, steps) for problem, steps, _ in ROWS]
    # Between two scores, so that some steps are under it and some not.
    below, above = sorted(one for of in scores for one in of)[3:5]
    threshold = (below + above) / 2
    named = [next((n for n, score in enumerate(of) if score < threshold), -1) for of in scores]
    hits = [(label, label == name) for (_, _, label), name in zip(ROWS, named, strict=True)]
    arguments = ["eval", "--on", file, "--prm", folder, "--json", "--threshold", threshold]
    found = CliRunner().invoke(berry, list(map(str, arguments)))
    assert found.exception is None, found.output
    (row,) = map(json.loads, found.stdout.splitlines())
    errors = row["first_errors"]
    assert (errors["num_wrong"], errors["num_right"]) == (2, 2)
    assert errors["on_wrong"] == sum(hit for label, hit in hits if label != -1) / 2
    assert errors["on_right"] == sum(hit for label, hit in hits if label == -1) / 2
    counted = [
        score
        for (_, _, label), of in zip(ROWS, scores, strict=True)
        for score in (of if label == -1 else of[: label + 1])
    ]
    assert row["steps"]["number"] == len(counted)
    binned = sum(one["weight"] * one["mean_score"] for one in row["steps"]["reliability"])
    assert binned == pytest.approx(sum(counted), abs=1e-4)
