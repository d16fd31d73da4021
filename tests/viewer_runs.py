"""A run folder with all that the viewer and the report show: branches, every verdict, maths, a hostile
problem, and a large tree."""

import random
from collections.abc import Sequence
from pathlib import Path

from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout
from tests.runs import write_run
from verifiers import Outcome, Target, Verdict

HOSTILE = (
    "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    "<a href=\"javascript:document.title='run'\">link</a> </script><style>body{display:none}</style> "
    "{{7*7}} {% raw %} \u202e evil \x00\x1b[31m $\\href{javascript:document.title='run'}{x}$ "
    "$\\rule{9999em}{9999em}$ $\\def\\a{\\a\\a}\\a$ http://example.invalid/ ' onmouseover='x"
)
"""Text that does harm where it is taken for anything but text."""
LARGE = "Find the large tree"
"""Text of the problem with some 2,000 nodes."""


def small_trace(number: int) -> Trace:
    "$\\rule{9999em}{9999em}$ $\\def\\a{\\a\\a}\\a$ http://example.invalid/ '"
    "onmouseover='x"
    domain = ("algebra", "geometry")[number % 2]
    tree = Tree((7, 8), f"Compute ${number} + 1$.")
    right, wrong = str(number + 1), str(number + 2)
    is_easy = number % 3 == 0
    verdicts = (
        _pass(right) if is_easy else _fail(wrong),
        _fail(wrong),
        Verdict(
            outcome=Outcome.ABSTAIN, reason="no answer", no_answer=True, verifier="math", version="3"
        ),
    )
    first = ROOT
    for place, verdict in enumerate(verdicts):
        steps = (
            "First, look at $x^2$.\n",
            f"Then add, try {place}.\n",
            f"The answer is {verdict.extracted}.",
        )
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(*steps, logprob=-0.5 - place))
        tree.judge(leaf, verdict)
        first = first or tree.path(leaf)[1].id
    for place in range(2):
        verdict = _pass(right) if place else _fail(wrong)
        branch = make_rollout(
            f"A branch, try {place}.\n", f"So it is {verdict.extracted}.", logprob=-2.0
        )
        leaf = tree.add(first, tree.reserve(first, 1), branch)
        tree.judge(leaf, verdict)
    return _traced(tree, domain, f"Compute ${number} + 1$.", right, f"set/{number}")


def hostile_trace() -> Trace:
    """A problem whose every text is HOSTILE."""
    tree = Tree((7, 8), HOSTILE)
    for outcome in (Outcome.PASS, Outcome.FAIL):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(HOSTILE, HOSTILE, logprob=-0.5))
        verdict = Verdict(
            outcome=outcome,
            reason=HOSTILE,
            extracted=HOSTILE,
            evidence={HOSTILE: HOSTILE},
            verifier=HOSTILE[:60],
            version="1",
        )
        tree.judge(leaf, verdict)
    return _traced(tree, HOSTILE[:40], HOSTILE, HOSTILE, None)


def large_trace(num_rollouts: int = 200, steps: int = 10) -> Trace:
    """A tree of rollouts that branch off anywhere, of up to `num_rollouts * steps` nodes."""
    chance = random.Random(0)
    tree = Tree((7, 8), LARGE)
    nodes = [ROOT]
    for number in range(num_rollouts):
        start = chance.choice(nodes)
        texts = [f"Step {at} of rollout {number}: so $x = {at}$.\n" for at in range(steps)]
        finish = Finish.LENGTH if number % 10 == 9 else Finish.STOP
        rollout = make_rollout(*texts, logprob=-0.3, finish=finish)
        leaf = tree.add(start, tree.reserve(start, 1), rollout)
        if finish is Finish.STOP:
            tree.judge(leaf, _pass("9") if chance.random() < 0.4 else _fail("8"))
        nodes += [node.id for node in tree.path(leaf)[1:-1]]
    return _traced(tree, "algebra", LARGE, "9", "set/large")


def viewer_run(path: Path, traces: Sequence[Trace] | None = None) -> Path:
    """A complete run folder with twelve small problems, the hostile one, and the large one."""
    given = [*map(small_trace, range(12)), hostile_trace(), large_trace()]
    return write_run(path, given if traces is None else traces, per_part=5)


def _pass(answer: str) -> Verdict:
    return Verdict(
        outcome=Outcome.PASS,
        reason="equal numbers",
        extracted=answer,
        evidence={"compared": [answer, answer]},
        verifier="math",
        version="3",
    )


def _fail(answer: str) -> Verdict:
    return Verdict(
        outcome=Outcome.FAIL, reason="another number", extracted=answer, verifier="math", version="3"
    )


def _traced(tree: Tree, domain: str, text: str, gold: str, source_id: str | None) -> Trace:
    tree = tree.sorted()
    found = trajectories(tree)
    problem = Problem.create(
        prompt=text,
        target=Target(kind="math", value=gold),
        source="file",
        domain=domain,
        source_id=source_id,
    )
    return Trace(
        problem=problem,
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )
