"""Units, money, degrees, percent, ratios, times, number bases."""

from tests.math_pairs.pair import FAIL, PASS, Pair, box

P = Pair

LENGTH_AND_MORE = (
    P(r"5\text{ cm}", box(r"5\,\mathrm{cm}"), PASS, "text and upright letters name the same unit"),
    P(r"5 \mathrm{~cm}", box("5 cm"), PASS, "a tie before the unit is a space"),
    P(r"5\text{ cm}", box("5cm"), PASS, "no space between"),
    P(r"5\text{ cm}", box("5 centimeters"), PASS, "the name written out"),
    P(r"5\text{ cm}", box("0.05 m"), PASS, "a metre has 100 cm"),
    P(r"5\text{ cm}", box("50 mm"), PASS, "a centimetre has 10 mm"),
    P(r"5\text{ cm}", box("5 m"), FAIL, "a hundred times as long"),
    P(r"5\text{ cm}", box("5 mm"), FAIL, "a tenth"),
    P(r"5\text{ cm}", box("0.5 m"), FAIL, "the factor is 100, not 10"),
    P(r"5\text{ cm}", box(r"5\text{ cm}^2"), FAIL, "an area is no length"),
    P(r"5\text{ cm}", box("5 kg"), FAIL, "a mass is no length"),
    P(r"5\text{ cm}", box("5 seconds"), FAIL, "a time is no length"),
    P(r"5\text{ cm}", box("6 cm"), FAIL, "the unit is right, the number is not"),
    P(r"5\text{ cm}", box("5"), PASS, "a unit on one side only is not asked for"),
    P("5", box(r"5\text{ cm}"), PASS, "the same from the other side"),
    P("5", box(r"6\text{ cm}"), FAIL, "the unit is not asked for, the number is"),
    P("3 km", box("3000 m"), PASS, "a thousand metres each"),
    P("3 km", box("300 m"), FAIL, "a factor of ten is missing"),
    P("2 m", box("200 cm"), PASS, "a hundred each"),
    P("2 m", box("200 m"), FAIL, "the number was converted, the unit was not"),
    P("5 ft", box("60 in"), PASS, "a foot has 12 inches"),
    P("5 ft", box("60 inches"), PASS, "the inches written out"),
    P("5 ft", box("50 in"), FAIL, "a foot has not 10 inches"),
    P("2 kg", box("2000 g"), PASS, "a thousand grams each"),
    P("2 kg", box("2 g"), FAIL, "a thousandth"),
    P("3 hours", box("180 minutes"), PASS, "60 minutes each"),
    P("3 hours", box("3 minutes"), FAIL, "a sixtieth"),
    P("150 minutes", box("2.5 hours"), PASS, "2.5 * 60 = 150"),
    P("150 minutes", box("1.5 hours"), FAIL, "that is 90 minutes"),
    P("2 weeks", box("14 days"), PASS, "seven days each"),
    P("90 s", box("1.5 min"), PASS, "1.5 * 60 = 90"),
    P("180", box("3 hours"), FAIL, "without a unit in the gold answer the number has to be 180"),
)

POWERS_OF_UNITS = (
    P(r"12\text{ cm}^2", box("12 cm²"), PASS, "a superscript two on the unit"),
    P(r"12\text{ cm}^2", box("12 square centimeters"), PASS, "square, in words"),
    P(r"12\text{ cm}^2", box("0.0012 m^2"), PASS, "a square metre has 100*100 square centimetres"),
    P(r"12\text{ cm}^2", box("0.12 m^2"), FAIL, "the factor is 10000, not 100"),
    P(r"12\text{ cm}^2", box(r"12\text{ cm}^3"), FAIL, "a volume is no area"),
    P(
        r"12\text{ cm}^2",
        box(r"144\text{ cm}^2"),
        FAIL,
        "the square belongs to the unit, not to the 12",
    ),
    P("1 m^3", box("1000000 cm^3"), PASS, "100 to the third"),
    P("2 L", box(r"2000\text{ cm}^3"), PASS, "a litre is a cubic decimetre"),
    P("2 L", box(r"2000\text{ mL}"), PASS, "a thousand millilitres each"),
    P("2 L", box(r"200\text{ mL}"), FAIL, "a fifth of a litre"),
    P(r"60\text{ km/h}", box(r"60\,\frac{\text{km}}{\text{h}}"), PASS, "a bar for the slash"),
    P(r"60\text{ km/h}", box("1 km/min"), PASS, "60 minutes an hour"),
    P(r"36\text{ km/h}", box("10 m/s"), PASS, "36000 m in 3600 s"),
    P(r"36\text{ km/h}", box("36 m/s"), FAIL, "3.6 times as fast"),
    P(r"60\text{ mph}", box("60 miles per hour"), PASS, "the abbreviation written out"),
    P(r"60\text{ mph}", box("60 km/h"), FAIL, "a mile is longer than a kilometre"),
    P(r"9.8\ \mathrm{m/s^2}", box(r"9.8\ \mathrm{m\,s^{-2}}"), PASS, "the exponent -2 divides"),
    P(r"9.8\ \mathrm{m/s^2}", box(r"9.8\ \mathrm{m/s}"), FAIL, "a speed is no acceleration"),
    P(r"5\text{ N}", box(r"5\ \mathrm{kg\cdot m/s^2}"), PASS, "the definition of the newton"),
    P(r"5\text{ J}", box(r"5\ \mathrm{N\cdot m}"), PASS, "force times distance"),
    P(r"5\text{ J}", box(r"5\text{ W}"), FAIL, "power is energy per time"),
)

MONEY = (
    P(r"\$18", box("18"), PASS, "the currency on one side only"),
    P(r"\$18", box("18 dollars"), PASS, "the sign as a word"),
    P(r"\$0.50", box("50 cents"), PASS, "a dollar has 100 cents"),
    P(r"\$0.50", box("0.50 cents"), FAIL, "half a cent"),
    P(r"\$18", box("€18"), FAIL, "euros are not dollars"),
    P("£18", box("18 pounds"), PASS, "the sign as a word"),
    P(r"\$2.50", box(r"\$2.05"), FAIL, "45 cents short"),
    P(r"\$18", box(r"18\text{ USD}"), PASS, "the code of the US dollar"),
    P(r"\$1.5\text{ million}", box(r"\$1{,}500{,}000"), PASS, "a million has six zeros"),
)

DEGREES = (
    P(r"90^\circ", box("90"), PASS, "the unit on one side only"),
    P(r"90^\circ", box(r"\frac{\pi}{2}"), PASS, "a right angle in radians"),
    P(r"90^\circ", box(r"90^{\circ}"), PASS, "braces around the sign"),
    P(r"90^\circ", box(r"90\text{ degrees}"), PASS, "the sign as a word"),
    P(r"\frac{\pi}{2}", box(r"90^\circ"), PASS, "a quarter turn"),
    P("90", box(r"\frac{\pi}{2}"), FAIL, "90 without a sign is the number 90, not 1.57"),
    P(r"\frac{\pi}{2}", box("90"), FAIL, "90 radians are more than 14 turns"),
    P(r"90^\circ", box(r"\pi"), FAIL, "pi is a straight angle"),
    P(r"60^\circ", box(r"30^\circ"), FAIL, "the other angle of the triangle"),
    P(r"60^\circ", box(r"\frac{\pi}{6}"), FAIL, "pi/6 is 30 degrees"),
    P(r"45.5^\circ", box(r"45^\circ 30'"), PASS, "a degree has 60 minutes"),
    P(r"x=30^\circ", box(r"30^\circ"), PASS, "x names the angle"),
    P("120", box(r"120^\circ"), PASS, "a question for the number of degrees"),
    P("120", box(r"60^\circ"), FAIL, "the supplement"),
    P(r"30^\circ, 150^\circ", box(r"150^\circ, 30^\circ"), PASS, "two angles in any order"),
    P(r"30^\circ, 150^\circ", box(r"30^\circ"), FAIL, "the second angle is missing"),
)
SHARE = "What percentage of the 40 students passed?"

PERCENT = (
    P(r"50\%", box("0.5"), PASS, "fifty hundredths"),
    P(r"50\%", box(r"\frac12"), PASS, "fifty hundredths reduced"),
    P(r"50\%", box("50%"), PASS, "the sign without a backslash"),
    P(r"50\%", box("50 percent"), PASS, "the sign as a word"),
    P(r"50\%", box("50"), FAIL, "a hundred times as much"),
    P("50", box(r"50\%"), FAIL, "a hundredth, and nobody asked for a percentage"),
    P("0.5", box(r"50\%"), PASS, "50/100"),
    P("0.5", box(r"5\%"), FAIL, "5/100 = 0.05"),
    P(r"12.5\%", box(r"\frac18"), PASS, "125/1000"),
    P(r"12.5\%", box(r"12\%"), FAIL, "rounded"),
    P("50", box(r"50\%"), PASS, "the question asks for a percentage, the sign is understood", SHARE),
    P(r"50\%", box("50"), PASS, "the question asks for a percentage, the sign is understood", SHARE),
    P("50", box(r"20\%"), FAIL, "20 students are 50 of a hundred, not 20", SHARE),
    P(r"50\%", box(r"0.5\%"), FAIL, "one in 200", SHARE),
    P("62.5", box(r"62.5\%"), PASS, "25 of 40, and the question asks for a percentage", SHARE),
)

RATIOS = (
    P("3:4", box("6:8"), PASS, "both doubled"),
    P("3:4", box("3 : 4"), PASS, "spaces around the colon"),
    P("3:4", box(r"\frac34"), PASS, "the quotient"),
    P("3:4", box("3/4"), PASS, "the quotient with a slash"),
    P("3:4", box("4:3"), FAIL, "the terms are swapped"),
    P("3:4", box(r"\frac43"), FAIL, "the quotient upside down"),
    P("3:4", box("3:5"), FAIL, "12 is not 15"),
    P("3:4", box("3:7"), FAIL, "part to whole in place of part to part"),
    P("1:2:3", box("2:4:6"), PASS, "all three doubled"),
    P("1:2:3", box("1:3:2"), FAIL, "the last two are swapped"),
    P("1:2:3", box("1:2"), FAIL, "the third term is missing"),
    P(r"1:\sqrt{3}:2", box(r"\sqrt{3}:3:2\sqrt{3}"), PASS, "times root 3"),
)

TIMES = (
    P("3:45", box(r"3{:}45"), PASS, "braces keep TeX from spacing around the colon"),
    P("3:45", box("4:45"), FAIL, "an hour later"),
    P("10:30 a.m.", box("10:30 AM"), PASS, "points and case of the abbreviation do not matter"),
    P(r"10\!:\!30 \text{ a.m.}", box(r"10:30\text{ a.m.}"), PASS, "negative spaces around the colon"),
    P("10:30 a.m.", box("10:30 p.m."), FAIL, "twelve hours apart"),
    P("2:30 p.m.", box("1:15 p.m."), FAIL, "equal as ratios, not as times of the day"),
)

BASES = (
    P("101_2", box("101_2"), PASS, "the same numeral"),
    P("101_2", box("101_{2}"), PASS, "braces around one digit"),
    P("101_2", box(r"101_{\text{two}}"), PASS, "the base as a word"),
    P("101_2", box("101_3"), FAIL, "5 against 10"),
    P("101_2", box("110_2"), FAIL, "5 against 6"),
    P("101_2", box("1010_2"), FAIL, "a digit more doubles it"),
    P("1A_{16}", box(r"1A_{16}"), PASS, "a digit above nine"),
    P("1A_{16}", box(r"1B_{16}"), FAIL, "26 against 27"),
    P("234_5", box("234_6"), FAIL, "69 against 94"),
    P("234_5", box("243_5"), FAIL, "the last two digits are swapped"),
    P("11011_2", box(r"11011_{2}"), PASS, "27 in base two, in both spellings"),
)

UNITS = {
    "units": LENGTH_AND_MORE,
    "powers of units": POWERS_OF_UNITS,
    "money": MONEY,
    "degrees": DEGREES,
    "percent": PERCENT,
    "ratios": RATIOS,
    "times": TIMES,
    "number bases": BASES,
}
