"""Reads LaTeX environments: matrices, determinants, cases, systems of equations."""

from verifiers.math.forms.nodes import Cases, Formula, Items, Matrix, Words
from verifiers.math.reading.brackets import BracketReader
from verifiers.math.reading.building import determinant

_CONDITIONAL = frozenset(["if", "for", "when", "where"])
_OTHERWISE = frozenset(["otherwise", "else"])


class EnvironmentReader(BracketReader):
    """Reads the contents of `\\begin` and `\\end`."""

    def _matrix(self, name: str) -> Formula:
        """The environment `name`, whose `\\begin` has been taken. Raises Unreadable."""
        if name == "vmatrix":
            return self._determinant()
        if name == "cases":
            return self._cases()
        if name.rstrip("*") not in ("pmatrix", "bmatrix", "matrix", "array", "Bmatrix", "smallmatrix"):
            raise self.lost()
        rows: list[list[Formula]] = [[]]
        while True:
            rows[-1].append(self.read_chain())
            sign = self.take()
            if sign.kind == "\\\\" and self.next.kind != "end":
                rows.append([])
            elif sign.kind == "\\\\" or sign.kind == "end":
                if sign.kind == "\\\\":
                    self.expect("end")
                break
            elif sign.kind != "&":
                self.position -= 1
                raise self.lost()
        if len({len(row) for row in rows}) != 1:
            raise self.lost()
        return Matrix(tuple(map(tuple, rows)))

    def _determinant(self) -> Formula:
        """The determinant of a square matrix of at most 4 rows. Raises Unreadable."""
        matrix = self._matrix("matrix")
        assert isinstance(matrix, Matrix)
        if len(matrix.rows) != len(matrix.rows[0]) or len(matrix.rows) > 4:
            raise self.lost()
        return determinant(matrix.rows)

    def _cases(self) -> Formula:
        """A function by cases, or a system of equations, which becomes a list."""
        rows: list[tuple[Formula, Formula | None]] = []
        while self.next.kind != "end":
            value = self.read_chain()
            rows.append((value, self._condition()))
            while self.next.kind in ("\\\\", ",", ";"):
                self.take()
        self.take()
        conditions = [condition for _, condition in rows if condition is not None]
        if not conditions and len(rows) > 1:
            return Items(tuple(value for value, _ in rows))
        if len(conditions) < len(rows) or not rows:
            raise self.lost()
        return Cases(
            tuple((value, condition) for (value, _), condition in zip(rows, conditions, strict=True))
        )

    def _condition(self) -> Formula | None:
        """The condition after a value in a row of cases; None if it is empty."""
        start = self.position
        while self.next.kind in ("&", ",", ";") or self.next.text.lower() in _CONDITIONAL:
            self.take()
        if self.position == start or self.next.kind in ("\\\\", "end"):
            return None
        if self.next.text.lower() in _OTHERWISE:
            self.take()
            return Words("otherwise")
        return self.read_list()
