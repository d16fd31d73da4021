"""Chains of arithmetic as problems, and the small model that is trained on them."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arithmetic.chains import Chain, Split, make_chains, write_problems
from benchmarks.arithmetic.model import Recipe, Trained, load_model, measure_probabilities, train_model
from benchmarks.arithmetic.sampling import pass_rate_by_sampling
from benchmarks.arithmetic.truth import true_steps
from pipeline.chat import Chat
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import Completion, Prompt, Request, Sampling
from pipeline.problems import Intake
from pipeline.problems.files import FileSource
from pipeline.records import Problem
from pipeline.tree import Finish
from tests.conftest import ROOT
from verifiers import Outcome
from verifiers.math.verifier import MathVerifier


def test_a_chain_is_worked_from_left_to_right_modulo_100() -> None:
    chain = Chain.parse("17+5*9-99=?")
    assert chain.lines == ("17+5=22", "22*9=98", "98-99=99", "#### 99")
    assert chain.answer == "99"


@pytest.mark.parametrize("prompt", ["", "17+5", "17=?", "17/5=?", "117+5=?", "17+5=?\n", "\u0661+5=?"])
def test_another_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(ValueError, match="expected a chain"):
        true_steps(prompt, "17+5=22")


def test_chains_depend_on_the_seed_and_splits_are_disjoint_whatever_it_is() -> None:
    assert make_chains(50, 1) == make_chains(50, 1) != make_chains(50, 2)
    # So short that every chain comes up in either seed.
    train = set(make_chains(2_000, 1, Split.TRAIN, (1, 1)))
    test = set(make_chains(250, 2, Split.TEST, (1, 1)))
    assert len(train) == 2_000
    assert not train & test
    assert {len(chain.operations) for chain in make_chains(100, 0)} == {5, 6, 7, 8}


async def test_problems_are_read_back_and_their_solutions_pass(tmp_path: Path) -> None:
    chains = make_chains(100, 0)
    path = write_problems(tmp_path / "chains.jsonl", chains)
    problems = list(Intake(FileSource(FileSource.Config(path=path, preset="plain"))))
    assert [problem.id for problem in problems] == [chain.problem().id for chain in chains]
    verifier = MathVerifier(MathVerifier.Config())
    for chain, problem in zip(chains, problems, strict=True):
        verdict = await verifier.verify(problem.prompt, chain.solution, problem.target)
        assert verdict.outcome is Outcome.PASS
        wrong = chain.solution + ("1" if chain.answer == "0" else "0")
        verdict = await verifier.verify(problem.prompt, wrong, problem.target)
        assert verdict.outcome is Outcome.FAIL
    await verifier.close()


def test_nothing_is_imported_before_it_is_needed() -> None:
    modules = "chains, check, model, sampling, tokenizer, truth"
    code = f"import sys; from benchmarks.arithmetic import {modules}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of a few batches, which knows nothing yet."""
    return train_model(tmp_path_factory.mktemp("model"), 3, SMALL)


SMALL = Recipe(hidden_size=32, num_heads=1, most_batches=4, chains_per_batch=8, warmup_batches=1)


def test_the_saved_tokenizer_reads_every_chain_as_its_characters(trained: Trained) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained.path)
    assert tokenizer.chat_template is None
    for chain in make_chains(100, 0):
        text = chain.prompt + chain.solution
        ids = tokenizer.encode(text)
        assert len(ids) == len(text)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode([*ids, tokenizer.eos_token_id], skip_special_tokens=True) == text
        assert [tokenizer.decode([id_]) for id_ in ids] == list(text)


def test_the_saved_model_is_loaded_as_it_was_trained(trained: Trained) -> None:
    model, tokenizer = load_model(trained.path)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    chains = make_chains(256, "3 held out")
    assert measure_probabilities(model, tokenizer, chains) == (trained.pass_rate, trained.step_rate)


def test_the_same_seed_trains_the_same_weights(trained: Trained, tmp_path: Path) -> None:
    again = train_model(tmp_path / "again", 3, SMALL)
    other = train_model(tmp_path / "other", 4, SMALL)
    weights = "model.safetensors"
    assert (again.path / weights).read_bytes() == (trained.path / weights).read_bytes()
    assert (other.path / weights).read_bytes() != (trained.path / weights).read_bytes()


def test_training_ends_when_the_wanted_pass_rate_is_reached(tmp_path: Path) -> None:
    recipe = Recipe(
        hidden_size=32,
        num_heads=1,
        pass_rate=0.0,
        most_batches=9,
        batches_per_check=3,
        chains_per_batch=8,
    )
    assert train_model(tmp_path, 0, recipe).num_batches == 3


def test_probabilities_are_products_over_the_tokens(trained: Trained) -> None:
    import torch

    model, tokenizer = load_model(trained.path)
    chains = make_chains(3, 0)
    of_responses, of_lines = [], []
    for chain in chains:
        ids = torch.tensor([[*tokenizer.encode(chain.prompt + chain.solution), tokenizer.eos_token_id]])
        with torch.no_grad():
            logprobs = model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
        scored = logprobs.gather(1, ids[0, 1:, None])[len(chain.prompt) - 1 :, 0]
        of_responses.append(scored.sum().exp().item())
        sizes = [len(line) + 1 for line in chain.lines]
        of_lines += [part.sum().exp().item() for part in scored.split(sizes)]
    passed, step = measure_probabilities(model, tokenizer, chains)
    assert passed == pytest.approx(sum(of_responses) / 3, rel=0.05)
    assert step == pytest.approx(sum(of_lines) / len(of_lines), rel=0.05)


class _Fixed:
    """An engine that answers with these texts, whatever it is asked."""

    model_version = "fixed"

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.requests: list[Request] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def encode(self, problem: Problem) -> Prompt:
        text = problem.prompt
        return Prompt(token_ids=tuple(map(ord, text)), text=text, chat=Chat.plain(text))

    async def generate(self, request: Request) -> list[Completion]:
        self.requests.append(request)
        return [
            Completion(
                token_ids=tuple(map(ord, text)),
                token_texts=tuple(text),
                text=text,
                logprobs=None,
                finish=Finish.STOP if "#" in text else Finish.LENGTH,
            )
            for text in self.texts
        ]


async def test_a_pass_rate_counts_what_passes_behind_the_prefix() -> None:
    chain = Chain.parse("17+5*3=?")
    engine = _Fixed("6\n#### 66", "5\n#### 65", "6\n", "9\n#### 66")
    judge = LocalJudge(MathVerifier(MathVerifier.Config()))
    rate = await pass_rate_by_sampling(
        engine,
        judge,
        chain.problem(),
        "17+5=22\n22*3=6",
        num_rollouts=4,
        sampling=Sampling(temperature=1.0, max_tokens=40),
    )
    await judge.close()
    assert rate == 0.5
    (request,) = engine.requests
    assert request.token_ids == tuple(map(ord, "17+5*3=?17+5=22\n22*3=6"))
    assert request.max_tokens == 40 - len("17+5=22\n22*3=6")
