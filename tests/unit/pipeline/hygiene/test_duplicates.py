"""Exact and near duplicates: what is dropped, and that something like it stays."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.hygiene.duplicates import find_duplicates
from pipeline.hygiene.signatures import Compared, Signatures
from pipeline.hygiene.words import Words, plain


def signatures(texts: list[str]) -> Signatures:
    own = [(text, Words(text)) for text in texts]
    return Signatures.of(
        Compared(plain(text), text.casefold().split(), words.numbers) for text, words in own
    )


def story(number: int, length: int = 60) -> list[str]:
    draw = random.Random(number)
    return ["".join(draw.choices("abcdefgh", k=5)) for _ in range(length)]


def test_exact_and_near_duplicates_are_found() -> None:
    one = story(1)
    near = [*one[:30], "really", *one[30:]]
    texts = [" ".join(words) for words in (one, story(2), one, near, story(3))]
    texts[2] = texts[2].upper() + "!"
    assert find_duplicates(signatures(texts), None) == {2: 0}
    assert find_duplicates(signatures(texts), 0.8) == {2: 0, 3: 0}


def test_other_numbers_are_another_problem() -> None:
    text = " ".join(story(1))
    assert find_duplicates(signatures([f"{text} 5 and 7", f"{text} 5 and 8"]), 0.5) == {}
    assert find_duplicates(signatures([f"{text} 5 and 7", f"{text} so 5 and 7"]), 0.5) == {1: 0}


def test_a_chain_of_similar_texts_keeps_one_that_is_like_each() -> None:
    words = story(4, 100)
    texts = [" ".join([*words[step * 4 :], *story(5, step * 4)]) for step in range(10)]
    found = find_duplicates(signatures(texts), 0.8)
    stay = [text for text in range(10) if text not in found]
    assert stay[0] == 0
    assert 1 < len(stay) < 10
    assert all(other in stay and other < text for text, other in found.items())


@pytest.mark.parametrize("least", [0.5, 0.65, 0.8])
def test_similarity_is_estimated_and_pairs_over_the_bound_are_found(least: float) -> None:
    """Pairs well over the bound are all found, pairs well under it none."""
    texts, over, under = list[str](), list[int](), list[int]()
    for number in range(150):
        words = story(number, 120)
        changed = list(words)
        for place in range(0, 3 * (number % 30), 3):
            changed[place] = "changed"
        grams = [set(zip(one, one[1:], one[2:], strict=False)) for one in (words, changed)]
        similarity = len(grams[0] & grams[1]) / len(grams[0] | grams[1])
        texts += [" ".join(words), " ".join(changed)]
        if similarity > least + 0.15:
            over.append(2 * number + 1)
        elif similarity < least - 0.15:
            under.append(2 * number + 1)
    found = find_duplicates(signatures(texts), least)
    assert over
    assert under
    assert set(over) <= found.keys()
    assert not set(under) & found.keys()


@settings(max_examples=50)
@given(st.lists(st.sampled_from([" ".join(story(n, 20)) for n in range(6)] + ["", "a b", "5"])))
def test_what_is_dropped_repeats_an_earlier_text_that_stays(texts: list[str]) -> None:
    found = find_duplicates(signatures(texts), 0.8)
    assert all(earlier < later and earlier not in found for later, earlier in found.items())
    stay = [text for number, text in enumerate(texts) if number not in found]
    assert sorted(stay) == sorted(set(texts))


def test_signatures_do_not_depend_on_how_they_are_divided() -> None:
    texts = [" ".join(story(number)) for number in range(6)]
    whole = signatures(texts)
    joined = Signatures.joined([signatures(texts[:2]), signatures([]), signatures(texts[2:])])
    for name in ("exact", "numbers", "hashes"):
        assert np.array_equal(getattr(whole, name), getattr(joined, name))
    assert len(whole.take(np.array([1, 3]))) == 2
