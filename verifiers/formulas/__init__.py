"""Mathematical answers as people and models write them: read, and compared as what they are.

    read("\\frac{1}{2}")                                  text -> Formula      tokens.py, grammar.py
    compare(read(gold), read(answer), conventions)        -> Comparison        compare.py

`quantities.py` is the quick way for plain numbers; `values.py` and `equality.py` find out whether two
expressions are equal; `units.py` knows dimensions; `library.py` asks math-verify and sympy about what
the grammar here does not know. No text is ever evaluated as code.
"""
