"""TRL's trainers take views as they are: the snippets of the pages in docs/, on tiny models."""

import math
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import datasets
import pytest

from pipeline.chat import Chat, MessageMatch
from pipeline.datasets.card import render_view_card
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.reader import RunReader
from pipeline.derive.export import export_view
from pipeline.engines import Completion, EngineStartError, Prompt, PromptFormat, Request, Sampling
from pipeline.engines.chat_format import ChatFormat, token_texts
from pipeline.explore import Explorer
from pipeline.files.publishing import publish_table, write_card
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search.best_of_n import BestOfN
from pipeline.tree import Finish
from tests.chat_templates import TEMPLATES, Template
from tests.conftest import ROOT, Finished, make_problem, make_verdict
from tests.tiny_models import base_model
from verifiers import Target, Verdict


def snippets_of(page: str) -> list[str]:
    """The Python snippets of a page of docs/."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


SNIPPETS = snippets_of("run-folder.md")
KTO, DPO, BACKWARDS, _CHAINS = snippets_of("views.md")
TINY = (
    'output_dir="trained", max_steps=3, per_device_train_batch_size=2, logging_steps=1, use_cpu=True, '
    'bf16=False, gradient_checkpointing=False, save_strategy="no", report_to="none", disable_tqdm=True'
)

SHIPPED = sorted(
    file
    for file in Path(str(files("trl"))).glob("chat_templates/*.jinja")
    if not file.stem.endswith("_training")
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def train(snippets: Sequence[str], model: Path, out: Path) -> Any:
    """Runs the page's snippets on this model and run, for three steps; the trainer that they make."""
    names: dict[str, Any] = {}
    for snippet in snippets:
        text = snippet.replace('"MODEL"', repr(str(model))).replace('"OUT"', repr(str(out)))
        exec(text.replace('output_dir="trained"', TINY), names)
    return names["trainer"]


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def trained(labels: Sequence[int]) -> list[int]:
    return [label for label in labels if label != -100]


@pytest.mark.ray
def test_a_simulated_run_is_trained_on_as_it_is(finished: Finished, tmp_path: Path) -> None:
    model = base_model(tmp_path / "model", TEMPLATES["chatml"].tokenizer())
    trainer = train(SNIPPETS[:1], model, finished.out)
    rows = datasets.load_dataset(str(finished.out), "traces")["train"]
    assert len(losses(trainer)) == 3
    assert all(map(math.isfinite, losses(trainer)))
    assert len(trainer.train_dataset) == len(rows)
    tokenizer = trainer.processing_class
    for row, prepared in zip(rows, trainer.train_dataset, strict=True):
        assert row["messages_exact"] is None
        answer = tokenizer.encode(row["response"] + "<|im_end|>\n", add_special_tokens=False)
        assert trained(prepared["labels"]) == answer
        asked = tokenizer.decode(prepared["input_ids"][: -len(answer)])
        assert row["prompt"][0]["content"] in asked


@pytest.mark.ray
@pytest.mark.parametrize(("view", "snippet"), [("outcomes", KTO), ("preferences", DPO)])
def test_views_are_trained_on_as_they_are(
    finished: Finished, tmp_path: Path, view: str, snippet: str
) -> None:
    out = tmp_path / "out"
    exported = export_view(finished.out, view, out)
    assert exported.num_rows > 4
    model = base_model(tmp_path / "model", TEMPLATES["chatml"].tokenizer())
    trainer = train([snippet], model, out)
    assert len(losses(trainer)) == 3
    assert all(map(math.isfinite, losses(trainer)))
    rows = datasets.load_dataset(str(out), view)["train"]
    if view == "preferences":
        rows = rows.filter(lambda row: row["kind"] == "answer")
        tokenizer = trainer.processing_class
        for row, prepared in zip(rows, trainer.train_dataset, strict=True):
            assert tokenizer.decode(prepared["prompt_ids"]) == row["prompt"]
            assert tokenizer.decode(prepared["chosen_ids"]).startswith(row["chosen"])
            assert tokenizer.decode(prepared["rejected_ids"]).startswith(row["rejected"])


@pytest.mark.ray
def test_packed_tokens_can_be_walked_as_the_page_says(finished: Finished) -> None:
    names: dict[str, Any] = {}
    exec(BACKWARDS, names)
    reader = RunReader.open(finished.out)
    for row, trace in zip(reader.rows("packed"), reader.traces(), strict=True):
        for number, leaf in enumerate(row["response_leaves"]):
            found = list(names["tokens_backwards"](row, number))[::-1]
            assert found == trace.tree.prefix_token_ids(leaf)


class TemplateEngine:
    """Answers through a chat template; the texts are fixed, and every third is cut into letters."""

    model_version = "template-1"

    def __init__(self, template: Template) -> None:
        self.template, self.tokenizer = template, template.tokenizer()
        self.format = ChatFormat(self.tokenizer, PromptFormat(system="Think."), "template")

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def encode(self, problem: Problem) -> Prompt:
        return self.format.encode(problem)

    def match_messages(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        return self.format.match(chat, prompt_token_ids, response, response_token_ids)

    async def generate(self, request: Request) -> list[Completion]:
        return [self._complete(request, number) for number in range(request.num_rollouts)]

    def _complete(self, request: Request, number: int) -> Completion:
        text = self.template.response(f"Two and three, {number} times over.", f"So {number}, 好 🙂.")
        pieces = list(text) if number % 3 == 2 else [text]
        pieces.append(self.template.special[-1])
        ids = [i for piece in pieces for i in self.tokenizer.encode(piece, add_special_tokens=False)]
        return Completion(
            token_ids=tuple(ids),
            token_texts=token_texts(self.tokenizer.backend_tokenizer, request.token_ids, ids),
            text=text,
            logprobs=None,
            finish=Finish.STOP,
        )


class PassAll:
    """A judge to whom every answer is right."""

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return make_verdict()


async def write_traces(engine: TemplateEngine, out: Path) -> list[MessageMatch]:
    """A folder with the survivors of two problems, six each, and how their messages compare."""
    explorer = Explorer(
        engine=engine,
        splitter=StepSplitter(StepConfig()),
        strategy=BestOfN(BestOfN.Config(rollouts=6)),
        judge=PassAll(),
        pruner=Pruner(PruneConfig()),
        sampling=Sampling(max_tokens=400),
        seed=3,
        matcher=engine,
    )
    traces = [await explorer.explore(make_problem(text)) for text in ("2 + 3?", "Was ist 2 + 3?")]
    (out / "data" / "traces").mkdir(parents=True)
    table = decode("traces", [EncodedTrace.of(trace) for trace in traces])
    publish_table(out / "data" / "traces" / "part-00000.parquet", table)
    write_card(out, render_view_card(out, {"traces": "survivors"}, str(out), {}))
    return [match for trace in traces for match in trace.message_matches.values()]


@pytest.mark.parametrize("name", ["chatml", "llama-3", "qwen-3", "qwq", "deepseek-r1"])
async def test_exact_messages_are_collated_to_the_sampled_ids(name: str, tmp_path: Path) -> None:
    template = TEMPLATES[name]
    engine = TemplateEngine(template)
    matches = await write_traces(engine, tmp_path / "out")
    assert len(matches) == 12
    model = base_model(tmp_path / "model", engine.tokenizer)
    trainer = train(SNIPPETS[:1], model, tmp_path / "out")
    assert all(map(math.isfinite, losses(trainer)))
    rows = datasets.load_dataset(str(tmp_path / "out"), "traces")["train"]
    num_exact = 0
    for row, prepared in zip(rows, trainer.train_dataset, strict=True):
        prompt, response = row["prompt_token_ids"], row["response_token_ids"]
        batch = trainer.data_collator([prepared])
        ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
        exact = ids[: len(prompt + response)] == prompt + response
        assert row["messages_exact"] == exact
        if exact:
            num_exact += 1
            assert labels[: len(prompt)] == [-100] * len(prompt)
            assert trained(labels) == ids[len(prompt) :]
            assert not engine.tokenizer.decode(ids[len(prompt + response) :]).strip()
    assert num_exact == (8 if template.keeps else 0)


async def test_sampled_ids_can_be_trained_on_where_messages_are_not_exact(tmp_path: Path) -> None:
    engine = TemplateEngine(TEMPLATES["deepseek-r1"])
    assert set(await write_traces(engine, tmp_path / "out")) == {MessageMatch.OTHER_TEXT}
    model = base_model(tmp_path / "model", engine.tokenizer)
    trainer = train(SNIPPETS, model, tmp_path / "out")
    assert all(map(math.isfinite, losses(trainer)))
    rows = datasets.load_dataset(str(tmp_path / "out"), "traces")["train"]
    for row, prepared in zip(rows, trainer.train_dataset, strict=True):
        batch = trainer.data_collator([prepared])
        assert batch["input_ids"][0].tolist() == row["prompt_token_ids"] + row["response_token_ids"]
        assert trained(batch["labels"][0].tolist()) == row["response_token_ids"]


OF_MODELS_THAT_SEE = [file for file in SHIPPED if file.stem.startswith(("idefics", "llava", "smolvlm"))]
"""They want a list of parts for a turn."""


@pytest.mark.parametrize("file", OF_MODELS_THAT_SEE, ids=lambda file: file.stem)
def test_the_templates_that_trl_ships_for_models_that_see_are_refused(file: Path) -> None:
    template = Template(jinja=file.read_text(), special=("<|im_end|>",))
    with pytest.raises(EngineStartError, match="a user's turn"):
        ChatFormat(template.tokenizer(), PromptFormat(), file.stem)


@pytest.mark.parametrize("file", sorted({*SHIPPED} - {*OF_MODELS_THAT_SEE}), ids=lambda file: file.stem)
def test_the_other_templates_that_trl_ships_are_read(file: Path) -> None:
    template = Template(jinja=file.read_text(), special=("<|im_end|>",))
    made = ChatFormat(template.tokenizer(), PromptFormat(), file.stem)
    prompt = made.encode(make_problem("How many?"))
    assert prompt.text.endswith(prompt.chat.opening)
    assert prompt.chat.opening in ("", "<think>\n", "<think>\n\n</think>\n\n")
    thinks = prompt.text.rstrip().endswith("<think>")
    assert (prompt.chat.opening == "<think>\n") == thinks
    assert made.match(prompt.chat, prompt.token_ids, "Two.", [5, 6]) is not None
