"""The truth about chains of arithmetic: a right solution is right, and a fault is found where it is."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.arithmetic.chains import NUM_VALUES, Chain, Operation
from benchmarks.arithmetic.truth import first_fault, split_steps, true_nodes, true_steps
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree

operations = st.one_of(
    st.builds(Operation, sign=st.sampled_from("+-"), number=st.integers(1, 99)),
    st.builds(Operation, sign=st.just("*"), number=st.integers(2, 9)),
)
chains = st.builds(
    Chain,
    start=st.integers(0, NUM_VALUES - 1),
    operations=st.lists(operations, min_size=1, max_size=12).map(tuple),
)


@given(chains)
def test_a_chain_is_read_back_from_its_prompt(chain: Chain) -> None:
    assert Chain.parse(chain.prompt) == chain


@given(chains)
def test_the_solution_says_what_python_says(chain: Chain) -> None:
    # Taking the remainder at the end alone is the same as taking it in each step.
    text = str(chain.start)
    for operation in chain.operations:
        text = f"({text}){operation}"
    assert chain.answer == str(eval(text) % NUM_VALUES)
    assert len(chain.lines) == len(chain.operations) + 1


@given(chains)
def test_the_solution_is_right_in_every_step(chain: Chain) -> None:
    assert true_steps(chain.prompt, chain.solution) == [True] * len(chain.lines)
    assert first_fault(chain.prompt, chain.solution) is None


@given(chains, st.data())
def test_one_fault_makes_its_step_and_all_later_ones_wrong(chain: Chain, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain.lines) - 1))
    column = data.draw(st.integers(0, len(chain.lines[place]) - 1))
    right = chain.lines[place][column]
    wrong = data.draw(st.sampled_from([each for each in "0123456789+-*=#" if each != right]))
    lines = list(chain.lines)
    lines[place] = lines[place][:column] + wrong + lines[place][column + 1 :]
    response = "\n".join(lines)
    assert true_steps(chain.prompt, response) == [each < place for each in range(len(lines))]
    before = sum(len(line) + 1 for line in chain.lines[:place])
    assert first_fault(chain.prompt, response) == before + column


@given(chains, st.data())
def test_a_line_too_many_or_too_few_is_wrong_from_there(chain: Chain, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain.lines) - 1))
    doubled = [*chain.lines[: place + 1], *chain.lines[place:]]
    truths = true_steps(chain.prompt, "\n".join(doubled))
    # Where two lines in a row are the same, the second copy is the one too many.
    same = place + 1
    while same < len(chain.lines) and doubled[same] == chain.lines[same]:
        same += 1
    assert truths == [each < same for each in range(len(doubled))]
    early = "\n".join(chain.lines[:place])
    assert true_steps(chain.prompt, early) == [True] * place
    assert first_fault(chain.prompt, early) == len(early)


@given(chains, st.text("0123456789+-*=# \n", max_size=60))
def test_a_fault_and_the_truth_of_steps_agree_on_any_text(chain: Chain, response: str) -> None:
    steps, truths = split_steps(response), true_steps(chain.prompt, response)
    assert "".join(steps) == response
    assert len(truths) == len(steps)
    assert truths == sorted(truths, reverse=True)
    fault = first_fault(chain.prompt, response)
    if fault is not None:
        assert chain.solution.startswith(response[:fault])
        assert not chain.solution.startswith(response[: fault + 1]) or fault == len(response)


@given(chains, st.data())
def test_a_node_is_right_up_to_its_end_wherever_it_was_cut(chain: Chain, data: st.DataObject) -> None:
    fault = data.draw(st.integers(0, len(chain.solution) - 1))
    response = chain.solution[:fault] + "?" + chain.solution[fault + 1 :]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(response) - 1), max_size=6)))
    parts = [response[a:b] for a, b in zip([0, *cuts], [*cuts, len(response)], strict=True)]
    steps = tuple(Step(token_ids=tuple(map(ord, part)), text=part, logprob=None) for part in parts)
    tree = Tree([1], chain.prompt)
    tree.add(ROOT, 0, Rollout(steps=steps, finish=Finish.STOP, model_version="test"))
    truths = true_nodes(chain.prompt, tree)
    assert sorted(truths) == list(range(1, len(tree)))
    for node_id, is_right in truths.items():
        assert is_right == (len(tree.response(node_id)) <= fault)


@given(chains, st.data())
def test_the_last_node_has_to_be_whole(chain: Chain, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, len(chain.solution)))
    text = chain.solution[:length]
    step = Step(token_ids=tuple(map(ord, text)), text=text, logprob=None)
    tree = Tree([1], chain.prompt)
    tree.add(ROOT, 0, Rollout(steps=(step,), finish=Finish.STOP, model_version="test"))
    is_whole = f"{chain.solution}\n"[length] == "\n" or text.endswith("\n")
    assert true_nodes(chain.prompt, tree) == {1: is_whole}
