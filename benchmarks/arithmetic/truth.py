"""Which steps of a response are right: known, not estimated.

A chain has one right response, so a step is right if and only if every line up to and including it is
what the chain says, and the first character that is not is where the response went wrong.
"""

from itertools import takewhile

from benchmarks.arithmetic.chains import Chain
from pipeline.engines import Completion
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import Finish, Tree

_SPLITTER = StepSplitter(StepConfig(at="newline"))


def true_steps(prompt: str, response: str) -> list[bool]:
    """Of each step of the response, in order, whether it is right.

    Steps are those of `steps.at=newline`. One behind the last line of the solution is wrong, and so
    is one that breaks off. A response that ends early is right as far as it goes, but has no answer.
    Raises ValueError for a prompt that is no chain's.
    """
    lines = Chain.parse(prompt).lines
    right, truths = True, []
    for place, step in enumerate(split_steps(response)):
        right = right and place < len(lines) and step.strip() == lines[place]
        truths.append(right)
    return truths


def first_fault(prompt: str, response: str) -> int | None:
    """Where the response first departs from the solution: the place of a character, so of a token.

    None if it never does. That of a response that ends early is its length: there the end is the
    fault. Raises ValueError for a prompt that is no chain's.
    """
    solution = Chain.parse(prompt).solution
    if response == solution:
        return None
    same = takewhile(lambda pair: pair[0] == pair[1], zip(response, solution, strict=False))
    return sum(1 for _ in same)


def true_nodes(prompt: str, tree: Tree) -> dict[int, bool]:
    """Of each node of a tree but the root, by id, whether the response up to its end is right.

    A node may end anywhere. Where the response goes on, what there is of a line counts; where it ends,
    the line has to be whole. Raises ValueError for a prompt that is no chain's.
    """
    solution = Chain.parse(prompt).solution
    texts = {node.id: tree.response(node.id) for node in tree.nodes[1:]}
    return {
        node_id: solution.startswith(text)
        if tree.nodes[node_id].finish is None
        else all(true_steps(prompt, text))
        for node_id, text in texts.items()
    }


def split_steps(response: str) -> list[str]:
    """The response's steps, cut as the pipeline does; joined they are the response."""
    characters = tuple(response)
    completion = Completion(
        token_ids=tuple(range(len(characters))),
        token_texts=characters,
        text=response,
        logprobs=None,
        finish=Finish.STOP,
    )
    return [step.text for step in _SPLITTER.split(completion)]
