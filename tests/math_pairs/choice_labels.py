"""Gold answers and responses with the letter of a choice before the text, or instead of it."""

from tests.math_pairs.pair import ABSTAIN, FAIL, PASS, Pair, box

_SAME = "the letter and the text are those of the gold answer"
_TEXT = "one has a letter, and the texts are compared"

CHOICE_LABELS: dict[str, tuple[Pair, ...]] = {
    "labels of choices": (
        *(
            Pair(gold, box(answer), PASS, _SAME)
            for gold in (
                r"\textbf{(C)}\ 18",
                r"\text{(C) }18",
                "(C) 18",
                "C) 18",
                "C. 18",
                r"\mathrm{(C)}\ 18",
            )
            for answer in ("C", r"\text{(C)}", "(C)", r"\textbf{(C)}\ 18", "(C) 18", r"\text{C. }18")
        ),
        *(
            Pair(gold, box(answer), PASS, _TEXT)
            for gold, answer in (
                (r"\textbf{(C)}\ 18", "18"),
                (r"\textbf{(C)}\ 18", "18.0"),
                ("(C) 18", "x = 18"),
                (r"\textbf{(B)}\ \frac{1}{2}", "0.5"),
                (r"\textbf{(B)}\ \frac{1}{2}", r"\frac{2}{4}"),
                (r"\textbf{(A)}\ \text{even}", r"\text{even}"),
                ("18", r"\textbf{(C)}\ 18"),
                ("18", "(C) 18"),
                ("0.5", r"\text{(B)}\ \frac{1}{2}"),
                ("C", "(C) 18"),
                ("C", r"\textbf{(C)}\ 18"),
                (r"\text{(C)}", r"\textbf{(C)}\ 18"),
            )
        ),
        *(
            Pair(gold, box(answer), FAIL, "another letter or another text")
            for gold, answer in (
                (r"\textbf{(C)}\ 18", "D"),
                (r"\textbf{(C)}\ 18", "(B)"),
                (r"\textbf{(C)}\ 18", "19"),
                (r"\textbf{(C)}\ 18", r"\textbf{(D)}\ 19"),
                ("(C) 18", "(A) 81"),
                ("18", "(C) 19"),
                ("C", "(D) 18"),
            )
        ),
        *(
            Pair(gold, box(answer), ABSTAIN, "the letter and the text say different things")
            for gold, answer in (
                (r"\textbf{(C)}\ 18", r"\textbf{(D)}\ 18"),
                (r"\textbf{(C)}\ 18", r"\textbf{(C)}\ 19"),
                ("(C) 18", "(B) 18"),
            )
        ),
        Pair("(2, 3)", box("(2, 3)"), PASS, "a point has no label"),
        Pair("A", box("A"), PASS, "the same letter"),
        Pair("A", box("B"), FAIL, "another letter"),
        Pair("A + 5", box("A + 5"), PASS, "a sum has no label"),
        Pair("5", box("(A) - 5"), FAIL, "a difference is no label with a value"),
    ),
}
