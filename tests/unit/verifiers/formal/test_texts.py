"""Reading of proofs and of Coq's output."""

import random

import pytest

from verifiers.formal.coq import parse_assumptions, parse_context
from verifiers.formal.coq_text import blanked, refused_command, without_preamble
from verifiers.formal.targets import fenced_blocks, not_allowed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a (* b (* c *) d *) e", "a                   e"),
        ('a (* " *) " *) e', "a              e"),
        ('a "(*" b "*)" c', 'a "  " b "  " c'),
        ('a "x""(*" b', 'a "x""(*" b'.replace("x", " ").replace("(*", "  ")),
        ("a (*) b *) c", "a          c"),
        ("a (* b\nc", "a     \n "),
        ('a "b', 'a " '),
        ("*) a", "*) a"),
    ],
)
def test_comments_and_strings_are_blanked_as_coq_reads_them(text: str, expected: str) -> None:
    assert blanked(text) == expected


def _blanked_by_character(text: str) -> str:
    """The same rules, applied character by character."""
    shown, at, depth, in_string = "", 0, 0, False
    while at < len(text):
        mark = text[at : at + 2] if text[at : at + 2] in ("(*", "*)") else text[at]
        is_shown = not depth and not in_string
        if mark == '"':
            is_shown, in_string = not depth, not in_string
        elif in_string:
            mark = text[at]
        elif mark == "(*" or (mark == "*)" and depth):
            is_shown, depth = False, depth + (1 if mark == "(*" else -1)
        elif mark == "*)":
            mark = "*"
        shown += mark if is_shown else "".join("\n" if c == "\n" else " " for c in mark)
        at += len(mark)
    return shown


def test_blanking_follows_its_rules_on_any_text() -> None:
    choose = random.Random(0)
    for _ in range(20_000):
        text = "".join(choose.choices('(*)"a\n', k=choose.randrange(14)))
        assert blanked(text) == _blanked_by_character(text), text


@pytest.mark.parametrize(
    ("proof", "refused"),
    [
        ("Load x.", True),
        ("a. Load x.", True),
        ("a.Load x.", False),
        ("(* Load x. *) a.", False),
        ("Check Load.", False),
        ("#[local] Time Fail Load x.", True),
        ("Timeout 5 Load x.", True),
        ("a.\n- Load x.", True),
        ("Loader x.", False),
        ("Set Guard Checking.", False),
    ],
)
def test_commands_are_found_where_a_sentence_starts(proof: str, refused: bool) -> None:
    assert (refused_command(proof) is not None) is refused


def test_a_repeated_preamble_is_left_out_and_lines_keep_their_numbers() -> None:
    assert without_preamble("Definition a :=\n 1.\nProof.", "Definition a := 1.").strip() == "Proof."
    assert without_preamble("Definition a :=\n 1.\nProof.", "Definition a := 1.").count("\n") == 2
    assert without_preamble("Definition a := 2. Proof.", "Definition a := 1.").startswith("Definition")
    assert (
        without_preamble("Proof. auto. Qed.", "Lemma b : True. Proof. auto. Qed.")
        == "Proof. auto. Qed."
    )


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Closed under the global context\n", {}),
        ("Axioms:\na : 1 = 2\nM.b\n  : long\n    type\n", {"a": "a", "M.b": "M.b"}),
        (
            "Axioms:\nf is assumed to be guarded.\n",
            {"f is assumed to be guarded.": "f is assumed to be guarded."},
        ),
        ("Closed under the global context\nx", None),
        ("x\nClosed under the global context\n", None),
        ("Section Variables:\na : 1 = 2\n", None),
        ("Axioms:\n", None),
        ("Axioms:\n  a : 1 = 2\n", None),
        ("", None),
    ],
)
def test_what_coq_prints_is_read_strictly(printed: str, expected: dict[str, str] | None) -> None:
    assert parse_assumptions(printed) == expected


@pytest.mark.parametrize("printed", ["", "CONTEXT SUMMARY\n* Axioms: <none>\n"])
def test_a_summary_that_lacks_something_is_no_summary(printed: str) -> None:
    assert parse_context(printed, "Berry.P.") is None


@pytest.mark.parametrize(
    ("name", "allowed", "fits"),
    [
        ("A.b", "b", True),
        ("A.b", "A.b", True),
        ("A.b", "X.A.b", True),
        ("A.b", "B.b", False),
        ("xb", "b", False),
        ("b", "xb", False),
    ],
)
def test_names_fit_module_by_module(name: str, allowed: str, fits: bool) -> None:
    assert (not_allowed({name: name}, (allowed,)) == []) is fits


def test_fences_of_all_sorts() -> None:
    text = "```coq\na\n```\n~~~~ {.Coq}\n```\n~~~~\n````\nopen"
    assert [*fenced_blocks(text)] == [("coq", "a"), ("coq", "```"), ("", "open")]
    assert [*fenced_blocks("`" * 100_000)] == [("", "")]
