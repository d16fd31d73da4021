r"""Special tokens, doubled backslashes, quotes and other text around an answer."""

import pytest

from verifiers.answers import extract_answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 42<|im_end|>", "42"),
        ("The answer is 42.<|endoftext|>", "42"),
        ("The answer is 42</s>", "42"),
        ("The answer is 42<eoe>", "42"),
        ("The answer is 42.<EOS_TOKEN><EOS_TOKEN>", "42"),
        ("The answer is 42<|eot_id|>", "42"),
        ("The answer is 42<end_of_turn>\n", "42"),
        ("<s>The answer is 42</s>", "42"),
        ("<|im_start|>assistant\nThe answer is 42<|im_end|>", "42"),
        ("<|im_end|>\n<|im_start|>assistant\nThe answer is 42<|im_end|>", "42"),
        ("The answer is 42.<|im_end|>\n<|im_start|>user\nIs the answer 43? The answer is 43.", "42"),
        ("The answer is 42.</s>\nThe answer is 43.", "42"),
        ("42<|im_end|>", "42"),
        ("<|begin_of_box|>42<|end_of_box|>", "42"),
        ("<think>The answer is 41.</think>So it is <|begin_of_box|>$42$<|end_of_box|>.", "$42$"),
        ("<ANSWER>42</ANSWER>", "42"),
        ("<Answer> 42 </Answer>", "42"),
        ("<final_answer>42</final_answer>", "42"),
        ("<answer>\n- 1\n- 2\n</answer>", "1, 2"),
        ("\\boxed{41} <ANSWER>42</ANSWER>", "42"),
        # A response's channels are not separate turns.
        (
            "<|channel|>analysis<|message|>41?<|end|><|channel|>final<|message|>\\boxed{42}<|return|>",
            "42",
        ),
    ],
)
def test_tokens_are_no_part_of_a_response(response: str, answer: str) -> None:
    assert extract_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"So \\boxed{42}.", "42"),
        (r"So \\boxed{\\frac{1}{2}}.", r"\frac{1}{2}"),
        (
            r"So $r = \\sqrt{9}$ and\n\n$\\boxed{\\left(3, \\frac{\\pi}{2}\\right)}$.",
            r"\left(3, \frac{\pi}{2}\right)",
        ),
        (r"So \boxed{\\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"The answer is \\(\\frac{1}{2}\\).", r"\(\frac{1}{2}\)"),
        (
            r"\\boxed{\\begin{pmatrix}1\\\\2\\end{pmatrix}}",
            r"\begin{pmatrix}1\\2\end{pmatrix}",
        ),
        # Rows of a matrix that is written correctly.
        (r"\boxed{\begin{pmatrix}1\\2\end{pmatrix}}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
        (r"\boxed{\begin{pmatrix}x\\y\end{pmatrix}}", r"\begin{pmatrix}x\\y\end{pmatrix}"),
        (r"\begin{align} x &= 2 \\ &= \boxed{42} \end{align}", "42"),
        (r"\begin{align} x &= 2 \\\boxed{42} \end{align}", "42"),
    ],
)
def test_backslashes_that_were_escaped_twice(response: str, answer: str) -> None:
    assert extract_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("It is 2.$ The final answer is $3.$ I hope it is correct.", "$3$"),
        (r"The answer is \(3.\) I hope it is correct.", r"\(3\)"),
        ("The answer is $3$. Good.", "$3$"),
        ("The answer is $3.5$.", "$3.5$"),
        ("The answer is $3.5.$", "$3.5$"),
        ("The answer is $3,$ as said.", "$3$"),
        (r"The answer is $\left\{x\right.$ Good.", r"$\left\{x\right.$ Good"),
        (r"\boxed{$\left\{x\right.$}", r"$\left\{x\right.$"),
        ('The answer is "42".', "42"),
        ('{"answer": "42"}', "42"),
        ('{"answer": 42}', "42"),
        ('{"reasoning": "6*7", "answer": "42", "sure": true}', "42"),
        ('```json\n{\n  "answer": "42",\n  "sure": true\n}\n```', "42"),
        ("{'answer': '42'}", "42"),
        ("The answer is \u201c42\u201d.", "42"),
        ("The answer is 42 \u2713", "42"),
        ("Answer: \u2705 42", "42"),
        ("Answer: 42 \U0001f389\n\nThat was fun!", "42"),
        ("The answer is \u00ab42\u00bb.", "42"),
        ('The final answer is "$12$ and $13$". I hope it is correct.', "$12$ and $13$"),
        (r"\[\text{The answer is } 42\]", "42"),
        (r"$\text{The answer is } 42$", "42"),
        (r"\[ \text{The final answer is: } \frac{1}{2} \]", r"\frac{1}{2}"),
        (r"\textbf{Answer:} 42", "42"),
        (r"\textbf{Answer: 42}", "42"),
        (r"\(\text{Answer: 42}\)", "42"),
        (r"\textbf{The answer is $\frac{1}{2}$.} Good.", r"$\frac{1}{2}$"),
        (r"\boxed{28}\%", r"28\%"),
        (r"$\boxed{28}\%$", r"28\%"),
        (r"$\boxed{28}$ %.", r"28\%"),
        (r"$\boxed{28}$ percent of them", r"28\%"),
        (r"$\boxed{28}$ pct", r"28\%"),
        (r"$\boxed{90}^\circ$", r"90^\circ"),
        (r"$\boxed{90}^{\circ}$", r"90^\circ"),
        (r"$\boxed{90}$°", r"90^\circ"),
        (r"$\boxed{90}$ percentiles", "90"),
        (r"$\boxed{x}$ % a comment", "x"),
        (r"\boxed{\frac{737}{39}\;\text{(about }18.9\text{ cards)}}", r"\frac{737}{39}"),
        (r"\boxed{\sqrt{2} (\approx 1.41)}", r"\sqrt{2}"),
        (r"\boxed{\sqrt{2}\ \text{(approximately 1.41)}}", r"\sqrt{2}"),
        (r"The answer is $\sqrt{2}$ ($\approx 1.41$).", r"$\sqrt{2}$"),
        ("The answer is 3/4 (about 0.75).", "3/4"),
        ("The answer is 3/4 (0.75 of them).", "3/4 (0.75 of them)"),
        (r"\boxed{\frac{3}{4} (or 0.75)}", r"\frac{3}{4}"),
        (r"\boxed{3 (or 5)}", "3 (or 5)"),
        (r"\boxed{(\approx 1.41)}", r"(\approx 1.41)"),
        (r"\boxed{f(2)}", "f(2)"),
        (r"\boxed{\text{The volume is } 120}", "120"),
        (r"\boxed{\text{The answer is } 42}", "42"),
        (r"\boxed{The maximum is 19}", "19"),
        ("Final Answer: The volume of $ABCD$ is 120. I hope it is correct.", "120"),
        ("Answer: The number of points in the domain of $f(x)$ is 19.", "19"),
        ("Answer: There are 12 of them.", "There are 12 of them"),
        ("Answer: The sum is less than 5", "The sum is less than 5"),
        ("Answer: The sum is not 5", "The sum is not 5"),
        ("Answer: The value of x is 2 and that of y is 3", "The value of x is 2 and that of y is 3"),
        ("Answer: If the sum is even it is 5", "If the sum is even it is 5"),
    ],
)
def test_text_around_an_answer(response: str, answer: str) -> None:
    assert extract_answer(response) == answer
