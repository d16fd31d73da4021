"""Golds and answers that differ, in the kinds of `same_kinds`, argued once for each kind.

Each entry is (gold, answer). `OTHER` has to fail. `UNDECIDED` has to abstain: the answer is neither
shown to be right nor to be wrong.
"""

from tests.math_pairs.pair import Pairs

OTHER: Pairs = {
    "percent, abbreviated": ((r"28\%", "29 pct"), ("2.8", "28 pct")),
    "a formula with a letter in brackets is no choice": (("D", "(D)+1"), ("C", "(C)=5")),
    "another sign, digit or letter in any layout": (
        ("x", "X"),
        (r"\frac{12}{5}", r"\frac1{25}"),
    ),
    "angles in the other measure": (
        ("90^\\circ", r"90\text{ rad}"),
        (r"90\text{ rad}", r"90^\circ"),
        (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}\text{ radians}"),
        (r"60^\circ", r"\frac{\pi}{6}\text{ radians}"),
        (r"2\text{ rad}", r"2^\circ"),
        (r"45^\circ, 30^\circ", r"45\text{ rad}, 30^\circ"),
        (r"\frac{\pi}{2}", r"\frac{\pi}{2}^\circ"),
    ),
    "names stay with their values": (
        ("[x=1,y=2]", "[y=1,x=2]"),
        ("[x=1, y=5, z=3]", "[x=1, y=5, r=3]"),
        (r"x=2 \quad y=3", r"x=7 \quad y=3"),
        (r"y=\frac{c x^{2}}{1-c x} \quad y=-x", r"y=\frac{c x^{7}}{1-c x} \quad y=-x"),
        ("y_1=x\ny_2=x^2", "y_1=2x\ny_2=x^2"),
        ("5", "-x=5"),
        ("x=5", "-x=5"),
        ("x=1, x=2", "-x=1, x=2"),
        ("n=15, r=7", "-n=15, r=7"),
        (r"x \in [1,2)", r"-x \in [1,2)"),
        ("2x", "-y=2x"),
        ("(x=1, y=2)", "(x=2, y=1)"),
    ),
    "solutions in several names": (
        ("p=5,q=2;p=7,q=2", "(5,2),(7,3)"),
        ("x=1, y=2; x=3, y=4", "x=1, y=4; x=3, y=2"),
        (r"x=-5,\ p=\frac{14}{3}", r"x=\frac{14}{3}, p=-5"),
    ),
    "more of the same kinds": (
        (r"P(X=2)=\frac14", r"P(X=3)=\frac14"),
        ("f(2)=5", "f(3)=5"),
        ("5", "-t=5"),
        ("x>5", "-x>5"),
        (r"y \in (0,1]", r"-y\in(0,1]"),
        ("1,234", "1, 234"),
        ("2,3,5", "2,3"),
        (r"5.93\text{ MiB}", r"5.93\text{ MB}"),
        (r"n\equiv 1,3 \pmod 8", r"n \equiv 1,5 \pmod 8"),
        (r"11:30 \text{ P.M.}", r"11:30 \text{ A.M.}"),
        (r"10^{10^{100}}", r"10^{100}"),
    ),
    "thousands": (
        (r"111, \! 111, \! 111", "111"),
        (r"111, \! 111, \! 111", r"111,\!111,\!112"),
        (r"1,\!000", "1"),
    ),
    "yes and no": (("True", "No"), ("yes", "False"), ("False", "Yes"), ("No", "Yes, always")),
    "other binomial coefficients": (("10", "C(5,1)"), (r"\binom{5}{2}", "C(6,2)"), ("(5,2)", "C(2,5)")),
    "other orderings": (("b>a>c", "b<a<c"), ("b>a>c", "a>b>c"), ("a<b<c", r"a\le b<c")),
    "other congruences": (
        (r"x \equiv 3 \pmod 7", r"x \equiv 4 \pmod 7"),
        (r"x \equiv 3 \pmod 7", r"x \equiv 3 \pmod 5"),
    ),
    "other names with accents": (
        (r"\hat{x}", "x"),
        (r"\bar{x}+1", r"\hat{x}+1"),
        ("y'+2y=0", "y+2y'=0"),
        (r"\bar{x}=4, \bar{y}=5", r"\bar{x}=5, \bar{y}=4"),
    ),
    "a name without its accent": ((r"\hat{y}=0.28 x-0.64", r"\bar{y}=0.28 x-0.64"),),
    "another value behind a sentence": ((r"\frac12", r"\text{The probability is } \frac13"),),
    "a chain that begins with a multiple": (("t=10", "2t=3+7=10"),),
    "parts that one part contains": (
        (r"\{x \mid x \geq 3\},\{x \mid x \geq 0\}", r"\{x \mid x \geq 3\},\{x \mid x > 0\}"),
        (r"x\ge3, x\ge0", r"x\ge3"),
    ),
    "names of functions": (
        (r"V(X)=\frac{20}{9}, D(X)=3", r"x(X)=\frac{20}{9}, D(X)=3"),
        (r"y=\frac{c}{x-c} \quad y \equiv-1", r"y=\frac{c}{m-c} \quad y \equiv-1"),
    ),
    "units behind a formula": ((r"3.0 \times 10^8 m/s", r"3\times10^{8}\,\mathrm{cm/s}"),),
    "other functions": (
        ("f(x)=x, f(x)=2-x", "f(x)=x, f(x)=3-x"),
        ("$f(n)=n$, $g(n)=1$", "f(n)=1, g(n)=n"),
        ("f(x)=2x", "f(x)=3x"),
        ("f(x)=2x", r"f\left(x\right)=2x+1"),
    ),
    "other cases": (
        (r"\begin{cases}1 & x>0\\0 & x\le0\end{cases}", r"\begin{cases}2 & x>0\\0 & x\le0\end{cases}"),
        (r"\begin{cases}1 & x>0\\0 & x\le0\end{cases}", r"\begin{cases}0 & x>0\\1 & x\le0\end{cases}"),
        (r"\begin{cases}x=1\\y=2\end{cases}", "x=2, y=1"),
    ),
    "other numerals": (
        (r"0.0011_{2}", "0.0111_2"),
        ("-101_2", "101_2"),
        ("0.1_2", "0.1_3"),
        ("0.1_2", "0.1"),
    ),
    "other times": (
        ("12:00", "1:00"),
        (r"\text{4:30 p.m.}", r"4:30 \text{ a.m.}"),
        ("4:30 PM", "15:30"),
        (r"9\text{ a.m.}", r"9 \text{ PM}"),
        (r"\text{noon}", r"12:00\text{ a.m.}"),
        ("2:00", "4:00"),
    ),
    "other choices": (
        (r"\textbf{(C)}\ 18", r"\text{(B)}"),
        (r"\textbf{(C)}\ 18", "17"),
        (r"\textbf{(C)}\ 18", "A"),
        (r"\textbf{(C)}\ 18", r"\textbf{(B)}\ 17"),
    ),
    "other sets": (
        (r"\{x|-2\leq x < 1\}", r"\{x|-2\leq x \le 1\}"),
        (r"\{x \mid x>3\}", r"\{x\mid x<3\}"),
    ),
    "other values in the notation of Python": (
        ("-3./2", "-3.2"),
        ("-3./2", r"\frac32"),
        ("sqrt(2)/2", r"\sqrt{2/2}"),
        ("[1, 2]", "[2, 1]"),
    ),
    "another value before the approximation": (
        (r"\frac{737}{39}", r"\frac{737}{38}\;(\text{about }19.4)"),
        (r"\sqrt{3}", r"\sqrt2 \approx 1.414"),
    ),
    "a chain that does not hold": ((r"\sqrt2", r"\sqrt2\approx 2.9"), ("5", "2+3=6")),
    "other arcs": ((r"63^{\circ} 45^{\prime}", r"63.45^\circ"), (r"63^\circ 45'", r"63^\circ 54'")),
    "smaller towers": (
        (r"10^{10^{10^{10}}}", r"10^{10}"),
        (r"10^{10^{10^{10}}}", r"10^{10^{10}}"),
        (r"2^{2^{100}}", r"2^{2^{101}}"),
        (r"10^{10^{10^{10}}}", "12"),
    ),
    "other words of other languages": (
        ("充要条件", "充分不必要条件"),
        ("充要条件", "必要不充分条件"),
        ("是", "否"),
        ("5米", "5厘米"),
        ("18", "19美元"),
    ),
    "denials in other languages": (("5", "nicht 5"), ("5", "pas 5"), ("5", "5 nicht")),
    "what counts the dimension of a unit": ((r"90\text{ cm}^2", r"90\text{ cm}^3"),),
}

UNDECIDED: Pairs = {
    "an approximation whose last digit is wrong": (
        (r"\sin(78.95^\circ) \approx 0.981", r"\sin(78.95^\circ) \approx 0.982"),
        (r"\sqrt2", r"\sqrt2 \approx 1.42"),
        (r"\sqrt2", r"\sqrt2 \approx \$1.42"),
        (r"1/\sqrt3", r"1/\sqrt3 \approx 56\%"),
        (r"\frac{2000}{e^{0.0075}} \approx \$1985.06", r"\frac{2000}{e^{0.0075}} \approx \$1987.06"),
    ),
    "a chain that begins with a multiple": (("10", "2t=3+7=10"),),
    "a sentence that denies": ((r"\frac12", r"\text{The probability is not } \frac12"),),
    "an interval without its brackets": (
        (r"(-\infty,0)", r"-\infty,0"),
        (r"(0,+\infty)", r"0,+\infty"),
    ),
    "a denial before equations": (("x=1, x=2", "not x=1, x=2"), ("y=1", "not y=1")),
    "units of another power": ((r"45 \text{ units}^2", r"45 \text{ units}"),),
    "letters that may be integers": ((r"n\pi", r"k\pi, k\in\mathbb{Z}"),),
    "an equation of a letter with itself": ((r"y=\pm x", r"x=\pm x"),),
    "signs that nobody can read": (
        (r"A \perp B", r"A \parallel B"),
        ("x_{12}", "x_1 2"),
        ("12", "1 2"),
    ),
    "a part is missing or repeated": (
        ("16,3,1,1", "16, 3, 1"),
        ("-1,0,1", "-1, 0, 1, -1"),
        (r"48, 384", "48, 384, 48"),
        ("1, 1", "1"),
        ("1,1,2", "1,2,2"),
        ("x+11, 11+x", "x+11"),
    ),
    "values of functions that nobody defined": (
        ("0", "I(0)"),
        ("I(0)", "0"),
        ("I(0)", "y(0)"),
        ("y(0) e^{t}", "I(0) e^{2t}"),
        ("f(2x)", "2f(x)"),
    ),
    "a unit that is not known": (("6.22 MB", "5.93 mops"), ("5 cm", "5 blorps")),
    "ways of going on": (
        (r"\frac{n(n+1)}{2}", r"1+2+\cdots+n"),
        (r"1,2,\ldots,n", "1,2,3"),
    ),
    "times without their half of the day": (("4:30 p.m.", "4:30"), ("6:40", "3:20")),
    "counted in other measures": ((r"90\text{ square units}", r"90\text{ cubic units}"),),
    "neither mixed nor a product": ((r"1\frac45", r"1\frac95"),),
    "denials in other languages": (
        ("5", "no 5 sino 6"),
        ("5", "не 5"),
    ),
    "numbers behind a number in other languages": (
        *(("7", f"7 {word}") for word in ("milhões", "миллиарда", "тыс.", "مليون", "nửa")),
        *(
            ("7", f"7{word}")
            for word in ("万元", "亿元", "億円", "만원", "백만원", "个半", "倍多", "十")
        ),
    ),
    "products of quantities, which may be the sizes of something": (
        (r"4 \text{ cm} \times 12 \text{ cm}", "16 cm"),
        ("16 cm", r"4\text{ cm} \cdot 12\text{ cm}"),
        ("6", "4 m / 2 m"),
    ),
}
