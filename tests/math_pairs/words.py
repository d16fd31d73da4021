"""Words, names, dates, yes and no, no solution, letters of a choice, answers of another kind."""

from tests.math_pairs.pair import ABSTAIN, FAIL, PASS, Pair, box

P = Pair
CHOICE = "Which number is prime?\n(A) 9 (B) 13 (C) 15 (D) 21"

WORDS = (
    P("Alice", box(r"\text{Alice}"), PASS, "a name in text"),
    P("Alice", box("alice"), PASS, "the case of a name does not matter"),
    P(r"\text{Alice}", box("Alice."), PASS, "nor does a full stop"),
    P("Alice", box(r"\textbf{Alice}"), PASS, "nor the weight of the letters"),
    P("Alice", box(r"\text{Alicia}"), FAIL, "another name"),
    P("Alice", box(r"\text{Bob}"), FAIL, "another person"),
    P("Alice", "The answer is Alice.", PASS, "a name behind the phrase"),
    P("Alice", "The answer is Bob.", FAIL, "another person behind the phrase"),
    P("Alice", box("5"), FAIL, "a number is no name"),
    P("Monday", box(r"\text{Monday}"), PASS, "a day of the week"),
    P("Monday", box(r"\text{Tuesday}"), FAIL, "the day after"),
    P("July 4", box(r"\text{July 4}"), PASS, "a date in text"),
    P("July 4", box(r"\text{July 5}"), FAIL, "a day late"),
    P("July 4", box(r"\text{June 4}"), FAIL, "a month early"),
    P("Yes", box(r"\text{yes}"), PASS, "case does not matter"),
    P("Yes", box(r"\text{No}"), FAIL, "the opposite"),
    P("No", "**Answer:** No.", PASS, "bold phrase, full stop"),
    P("True", box(r"\text{true}"), PASS, "case does not matter"),
    P("True", box(r"\text{False}"), FAIL, "the opposite"),
    P("even", box(r"\text{ even }"), PASS, "spaces around a word"),
    P("even", box(r"\text{odd}"), FAIL, "the opposite"),
    P(r"\text{ellipse}", box("ellipse"), PASS, "the word with and without text"),
    P(r"\text{ellipse}", box(r"\text{hyperbola}"), FAIL, "another conic"),
    P(r"\text{right triangle}", box(r"\text{Right  Triangle}"), PASS, "two spaces and capitals"),
    P(r"\text{convex}", box(r"\text{not convex}"), FAIL, "the negation"),
    P("neither", box(r"\text{both}"), FAIL, "the opposite"),
    P(r"\text{infinitely many}", box(r"\text{Infinitely many}"), PASS, "case does not matter"),
    P("red, blue", box(r"\text{blue}, \text{red}"), PASS, "a bare list of words has no order"),
    P("red, blue", box(r"\text{red}"), FAIL, "blue is missing"),
    P("red, blue", box(r"\text{red}, \text{green}"), FAIL, "green for blue"),
)

NOTHING = (
    P("no solution", box(r"\text{No solution}"), PASS, "case does not matter"),
    P("no solution", box(r"\emptyset"), PASS, "the set of solutions is empty"),
    P("no solution", box(r"\varnothing"), PASS, "the other sign for the empty set"),
    P(r"\emptyset", box(r"\{\}"), PASS, "braces around nothing"),
    P(r"\emptyset", box(r"\text{no solution}"), PASS, "the empty set of solutions, in words"),
    P("none", box(r"\{ \}"), PASS, "no element"),
    P("no solution", box("0"), FAIL, "zero is a solution like any other number"),
    P(r"\emptyset", box(r"\{0\}"), FAIL, "a set with one element"),
    P(r"\emptyset", box(r"\{\emptyset\}"), FAIL, "a set with one element, which is the empty set"),
    P("0", box(r"\emptyset"), FAIL, "the empty set is no number"),
    P("5", box(r"\text{no solution}"), FAIL, "5 is a solution"),
    P("no solution", box("5"), FAIL, "there is none"),
    P(r"\mathbb{R}", box(r"\emptyset"), FAIL, "all against none"),
    P("does not exist", box(r"\text{DNE}"), PASS, "the abbreviation"),
    P("undefined", box(r"\text{does not exist}"), PASS, "no value either way"),
    P("DNE", box("undefined"), PASS, "no value either way"),
    P("does not exist", box("0"), FAIL, "zero exists"),
    P("does not exist", box(r"\text{exists}"), FAIL, "the opposite"),
    P("undefined", box("1"), FAIL, "a value"),
)

LETTERS = (
    P("B", box("B"), PASS, "the letter", CHOICE),
    P("B", box("(B)"), PASS, "the letter in parentheses", CHOICE),
    P("B", box(r"\text{(B)}"), PASS, "the same in text", CHOICE),
    P("B", box(r"\textbf{(B)}"), PASS, "the same in bold", CHOICE),
    P("B", box(r"\textbf{(B)}\ 13"), PASS, "the letter, then the text of the choice", CHOICE),
    P("B", box(r"\mathrm{(B)}"), PASS, "upright", CHOICE),
    P("B", box("B."), PASS, "a full stop", CHOICE),
    P("B", box("B) 13"), PASS, "half of the parentheses, then the text", CHOICE),
    P("B", "The answer is (B).", PASS, "behind the phrase", CHOICE),
    P("B", "The answer is B.", PASS, "behind the phrase, without parentheses", CHOICE),
    P("B", "**Answer: B**", PASS, "the bold spans phrase and letter", CHOICE),
    P("B", "Answer: (B) 13", PASS, "letter and text behind the phrase", CHOICE),
    P("(B)", box("B"), PASS, "the parentheses are in the gold answer", CHOICE),
    P("B", box("C"), FAIL, "another choice", CHOICE),
    P("B", box("(D)"), FAIL, "another choice", CHOICE),
    P("B", box(r"\textbf{(A)}\ 9"), FAIL, "another choice with its text", CHOICE),
    P("B", "The answer is (A).", FAIL, "another choice behind the phrase", CHOICE),
    P("B", box("BC"), FAIL, "two letters", CHOICE),
    P("B", box("B, C"), FAIL, "a second choice", CHOICE),
    P("B", box("B^2"), FAIL, "a power of a variable is no choice", CHOICE),
    P("B", "It has to be one of them.", ABSTAIN, "no choice is made", CHOICE),
    P("A, C", box("C, A"), PASS, "two right choices in any order"),
    P("A, C", box("A"), FAIL, "the second right choice is missing"),
)

OTHER_KINDS = (
    P("5", box(r"\text{Alice}"), FAIL, "a name for a number"),
    P("5", box("x"), FAIL, "a variable for a number"),
    P("5", box("(5,5)"), FAIL, "a point for a number"),
    P("5", box("[0,5]"), FAIL, "an interval for a number"),
    P("5", box("x>5"), FAIL, "an inequality for a number"),
    P("5", box(r"\text{Yes}"), FAIL, "yes for a number"),
    P("x^2", box(r"\text{a parabola}"), FAIL, "a word for a formula"),
    P("(1,2)", box(r"\text{origin}"), FAIL, "a word for a point"),
    P("[1,2]", box("1.5"), FAIL, "one element for the interval"),
    P(r"\{1,2\}", box(r"\text{two}"), FAIL, "how many for which"),
    P("y=2x+3", box("2"), FAIL, "the slope for the line"),
    P("Yes", box("1"), FAIL, "a number for yes"),
)

WORD_PAIRS = {
    "words": WORDS,
    "nothing": NOTHING,
    "letters": LETTERS,
    "other kinds": OTHER_KINDS,
}
