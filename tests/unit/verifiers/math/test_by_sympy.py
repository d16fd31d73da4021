"""Input for math-verify's grammar and sympy: sums, products, integrals, limits, derivatives."""

import pytest

from verifiers.math.comparing.by_sympy import compare_by_sympy
from verifiers.math.equality.equality import Equal
from verifiers.math.reading.notation import plain

_EQUAL = [
    (r"\frac{\pi}{2}", r"\int_0^1 \frac{2dx}{1+x^2}"),
    (r"\sum_{k=m}^n 1", "n-m+1"),
    (r"\lim_{h\to0}\frac{(x+h)^2-x^2}{h}", "2x"),
    (r"\int_a^b x\,dx", r"\frac{b^2-a^2}{2}"),
    (r"\int_1^e \frac{\ln x}{x}\,dx", r"\frac12"),
    (r"2^{1000}-1", r"\sum_{k=0}^{999}2^k"),
    (r"1-2^{-100}", r"\sum_{k=1}^{100}2^{-k}"),
    (r"e", r"\sum_{k=0}^{\infty}\frac1{k!}"),
    (r"1-e^{-100}", r"\int_0^{100}e^{-x}dx"),
    (r"1", r"\int_0^\infty e^{-x}dx"),
    (r"\frac{d}{dx}x^2", r"2x"),
    (r"2^n", r"\sum_{k=0}^{n}\binom nk"),
    (r"n!", r"\prod_{k=1}^nk"),
    (r"\frac{n(n+1)}2", r"\sum_{k=1}^n k"),
    (r"\frac1{1-x}", r"\sum_{n=0}^\infty x^n"),
    (r"-\ln(1-x)", r"\sum_{n=1}^\infty\frac{x^n}n"),
    (r"\lim_{x\to0}\frac{\sin x}x", r"1"),
    (r"\lim_{n\to\infty}(1+1/n)^n", r"e"),
    (r"\lim_{n\to\infty}\left(1+\frac1n\right)^n", r"e"),
    (r"\sum_{i=1}^n i", r"\sum_{j=1}^n j"),
    (r"\int_0^1 x^2\,dx", r"1/3"),
    (r"\int_0^1 x^2\,\mathrm{d}x", r"\frac13"),
    (r"\lim_{x\to 0^+}\frac{|x|}{x}", r"1"),
    (r"\lim_{x\to 0^-}\frac{|x|}{x}", r"-1"),
    (r"\frac{\pi^2}6", r"\sum_{n=1}^\infty\frac1{n^2}"),
    (r"-\ln 2", r"\sum_{n=1}^\infty\frac{(-1)^n}{n}"),
    (r"\frac{\pi}{4}", r"\int_0^1 \frac{dx}{1+x^2}"),
    (r"\ln 3+2", r"\int_0^2 \frac{dx}{1+x} + 2"),
    (r"\sqrt{\pi}", r"\int_{-\infty}^\infty e^{-x^2}dx"),
    (r"\sum_{k=1}^3 k + 1", r"7"),
    (r"\sum_{k=0}^{3} i^k", r"0"),
    (r"\sum_{k=1}^{100} \log k", r"\ln(100!)"),
    (r"\sum_{k=1}^{n}\sum_{j=k+2}^{n} 1", r"\frac{(n-1)(n-2)}{2}"),
    (r"\frac{1-x^{n+1}}{1-x}", r"\sum_{k=0}^n x^k"),
    (r"(x+y)^n", r"\sum_{k=0}^n \binom{n}{k}x^ky^{n-k}"),
    (r"\sin x", r"\sum_{n=0}^\infty \frac{(-1)^n x^{2n+1}}{(2n+1)!}"),
    (r"\frac{x^3}{3}", r"\int_0^x t^2dt"),
]
_DIFFERENT = [
    (r"2^{1000}", r"\sum_{k=0}^{999}2^k"),
    (r"1", r"\sum_{k=1}^{100}2^{-k}"),
    (r"e", r"\sum_{k=0}^{25}\frac1{k!}"),
    (r"1", r"\int_0^{100}e^{-x}dx"),
    (r"\sum_{k=1}^{99}2^{-k}", r"\sum_{k=1}^{100}2^{-k}"),
    (r"\prod_{k=1}^{200}(1+2^{-k})", r"\prod_{k=1}^{100}(1+2^{-k})"),
    (r"\frac{d}{dx}x^2", r"3x"),
    (r"2^n-1", r"\sum_{k=0}^{n}\binom nk"),
    (r"(n+1)!", r"\prod_{k=1}^nk"),
    (r"\frac{n(n-1)}2", r"\sum_{k=1}^n k"),
    (r"\frac1{1+x}", r"\sum_{n=0}^\infty x^n"),
    (r"\ln(1+x)", r"\sum_{n=1}^\infty\frac{x^n}n"),
    (r"\lim_{x\to0}\frac{\sin x}x", r"0"),
    (r"\lim_{n\to\infty}(1+1/n)^n", r"1"),
    (r"\sum_{i=1}^n i", r"\sum_{j=0}^{n-1} j"),
    (r"\int_0^1 x^2\,dx", r"1/2"),
    (r"\lim_{x\to 0^-}\frac{|x|}{x}", r"1"),
    (r"\frac{\pi^2}8", r"\sum_{n=1}^\infty\frac1{n^2}"),
    (r"N+\sum_{k=1}^{3}k", r"n+\sum_{k=1}^3k"),
    (r"\int_0^1 x^2dx", r"0.5"),
    (r"\frac{1-x^{n}}{1-x}", r"\sum_{k=0}^n x^k"),
    (r"\cos x", r"\sum_{n=0}^\infty \frac{(-1)^n x^{2n+1}}{(2n+1)!}"),
    (r"\frac{x^2}{3}", r"\int_0^x t^2dt"),
]
_UNDECIDED = [
    (r"\lim_{x\to0} \sin(1/x)", "0"),
    (r"\gamma+\sum_{k=1}^2 k", "3"),
    (r"\sum_{k=1}^2 2^k!", "26"),
    (r"\sum_{k=1}^2 k^T", "3"),
    (r"\frac{\partial f}{\partial x}", r"\frac{\partial f}{\partial y}"),
    (r"\frac{df}{dx}", r"\frac{dg}{dx}"),
    (r"\frac{dy}{dx}", r"0"),
    (r"\int \cos x\,dx", r"\sin x+C"),
    (r"\lim_{x\to0}\sin x / x", r"\sin 1"),
    (r"\lim_{x\to 0}\frac{|x|}{x}", r"1"),
    (r"\frac56", r"\int_0^1 xdx+\int_0^1x^2dx"),
    (r"\frac16", r"\int_0^1 \int_0^x y dy dx"),
    (r"3a", r"\sum_{k=1}^3 a_k"),
    (r"\sum_{k=1}^3 \text{k}", r"6"),
    (r"\sum_{k=1}^3 50\%", r"1.5"),
    (r"\sum_{k=1}^3 \sin k^\circ", r"\sum_{k=1}^3 \sin k"),
    (r"1+2+\cdots+\sum_{k=1}^2k", r"6"),
    (r"\sum_{k=1}^3 f(k)", r"\sum_{j=1}^3 f(j)"),
    (r"\sum_{k=1}^3 f(k+1)", r"9f"),
    (r"\sum_{k=1}^3 k + k", r"6+k"),
    (r"2\frac12\sum_{k=1}^3k", r"6"),
    (r"\sum_{k=1}^3 \frac1/2k", r"3"),
    (r"\int_0^d x dx", r"d"),
    (r"\int_0^1 x^2", r"\frac13"),
    (r"\sum_{k=1}^3 101_2", r"303"),
    (r"\int_0^1 e^{-x^2}dx", r"0.746824"),
    (r"\int_0^1 x^2dx", r"0.333333"),
    (r"\int_{-1}^1\frac1xdx", r"0"),
    (r"\sum_{k=1}^\infty \frac1k", r"5"),
    (r"\frac{\pi}{2}", r"\int_0^\infty\frac{\sin x}{x}dx"),
]


def _compare(gold: str, answer: str) -> Equal:
    return compare_by_sympy(plain(gold), plain(answer)).equal


@pytest.mark.parametrize(("gold", "answer"), _EQUAL)
def test_equal_ones(gold: str, answer: str) -> None:
    assert _compare(gold, answer) is Equal.YES


@pytest.mark.parametrize(("gold", "answer"), _DIFFERENT)
def test_different_ones_however_near(gold: str, answer: str) -> None:
    assert _compare(gold, answer) is Equal.NO


@pytest.mark.parametrize(("gold", "answer"), _UNDECIDED)
def test_what_is_not_known_or_can_be_read_in_several_ways(gold: str, answer: str) -> None:
    assert _compare(gold, answer) is Equal.UNKNOWN


def test_the_order_of_the_two_does_not_matter() -> None:
    for gold, answer in (*_EQUAL[:6], *_DIFFERENT[:6]):
        assert _compare(gold, answer) is _compare(answer, gold)


def test_too_many_terms_are_not_added_up() -> None:
    assert _compare("5", r"\sum_{k=1}^{1000000000}\frac1k") is Equal.UNKNOWN
