"""Test code, read outside the sandbox: what it calls, and whether what came back satisfies it.

HumanEval's `check(candidate)` and MBPP's list of asserts mostly compare calls with literals. This is a
small interpreter for such tests. In a first pass it collects the candidate's calls, whose arguments
must not depend on a result; then those calls, and nothing else of the tests, go into the sandbox; in a
second pass each call is answered with what came back. So the tests are never where the code could
read, patch or satisfy them by other means. Tests that do more raise NotReadable.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifiers.code.asserts.aliasing import Lending
from verifiers.code.asserts.instrument import is_test
from verifiers.code.asserts.operations import BINARY, COMPARE, FUNCTIONS, TYPES, UNARY, NotReadable
from verifiers.code.failures import Failure, Reason, raised
from verifiers.code.inside.values import NoValue, shown

_MOST_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the candidate."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Raised:
    """In place of a value: the call gave none."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Opaque:
    """In place of a value: the call gave one that cannot leave the sandbox."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A value that `calls` take for another one, which Python does not, such as an array for a list."""

    value: Any
    kind: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """What became of one assert that calls the candidate."""

    source: str
    held: bool
    reason: str = ""
    """Why not; empty if it held."""
    code: Reason = Reason.WRONG_ANSWER
    """The kind of the failure, if it did not hold."""


def collect_calls(tests: str, entry_point: str) -> list[Call]:
    """The calls that the tests make, in order. Raises NotReadable."""
    reader = _Reader(tests, entry_point, results=None)
    reader.run()
    if not reader.calls or not reader.num_asserts:
        raise NotReadable("no assert calls the function")
    return reader.calls


def count_cases(tests: str, entry_point: str) -> int:
    """How many asserts look at a result. Raises NotReadable."""
    reader = _Reader(tests, entry_point, results=None)
    reader.run()
    return reader.num_cases


def judge(tests: str, entry_point: str, results: Sequence[Any]) -> list[Assertion]:
    """Each assert, given what became of each of `collect_calls`, until the verdict is sure.

    Results may end at a call that failed. Raises NotReadable if only Python can tell whether all hold.
    """
    reader = _Reader(tests, entry_point, results=results)
    unsure: NotReadable | None = None
    try:
        reader.run()
    except NotReadable as e:
        unsure = e
    # Python would have stopped at the first that does not hold,
    if not all(one.held for one in reader.assertions):
        return reader.assertions
    # and at what raised, also where no assert looks at it.
    for result in (*results[: len(reader.calls)], reader.raised):
        if isinstance(result, Raised):
            return [*reader.assertions, _of_call(result.failure)]
    if unsure is not None:
        raise unsure
    return reader.assertions


def _of_call(failure: Failure) -> Assertion:
    return Assertion(source="a call", held=False, reason=failure.text, code=failure.reason)


class _Unknown:
    """A result, in the pass that only collects calls."""


_UNKNOWN = _Unknown()


@dataclass
class _Reader:
    tests: str
    entry_point: str
    results: Sequence[Any] | None
    calls: list[Call] = field(default_factory=list)
    assertions: list[Assertion] = field(default_factory=list)
    num_asserts: int = 0
    num_cases: int = 0
    raised: Raised | None = None
    """The first failure outside of an assert."""
    _steps: int = 0
    _names: set[str] = field(default_factory=set)
    _values: dict[str, Any] = field(default_factory=dict)
    _guess: str = ""
    """Why a value was taken for unequal to a plain one, since the last assert that did not hold."""
    _lending: Lending = field(default_factory=Lending)
    _conjunction: ast.expr | None = None
    """The assert's own `and` or chain of comparisons: where Python stops early, it fails."""

    def run(self) -> None:
        try:
            body = ast.parse(self.tests).body
        except (SyntaxError, ValueError, RecursionError) as e:
            raise NotReadable(f"the tests do not parse: {e}") from e
        self._names = {self.entry_point}
        functions: dict[str, ast.FunctionDef] = {}
        called: set[str] = set()
        for statement in body:
            if isinstance(statement, ast.FunctionDef) and is_test(statement):
                functions[statement.name] = statement
            elif (name := self._called_by(statement)) in functions:
                called.add(name)
                self._call_tests(functions[name])
            else:
                self._execute(statement)
        # `check` first: the order of the harness.
        for name in sorted(functions.keys() - called, key=lambda name: name != "check"):
            self._call_tests(functions[name])

    def _called_by(self, statement: ast.stmt) -> str:
        """The name in `check(f)` or `test()`, "" if the statement is another."""
        match statement:
            case ast.Expr(
                value=ast.Call(func=ast.Name(id="check"), args=[ast.Name(id=given)], keywords=[])
            ):
                return "check" if given == self.entry_point else ""
            case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[], keywords=[])):
                return name if name != "check" else ""
        return ""

    def _call_tests(self, function: ast.FunctionDef) -> None:
        args = function.args
        parameters = [parameter.arg for parameter in args.args]
        special = args.posonlyargs or args.kwonlyargs or args.vararg or args.kwarg or args.defaults
        if special or function.decorator_list or len(parameters) != (function.name == "check"):
            raise NotReadable(f"`{function.name}` is not called plainly")
        self._names = {self.entry_point, *parameters}
        for statement in function.body:
            self._execute(statement)
        self._names = {self.entry_point}

    # ------------------------------------------------------------------------------- statements

    def _execute(self, statement: ast.stmt) -> None:
        self._count()
        match statement:
            case ast.Assert(test=test):
                self._assert(statement, test)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._bind(name, bound := self._evaluate(value))
                self.raised = self.raised or (bound if isinstance(bound, Raised) else None)
            case ast.For(target=ast.Name(id=name), iter=over, body=body, orelse=[]):
                items = self._known(self._evaluate(over))
                for item in self._apply(list, items):
                    self._bind(name, item)
                    for inner in body:
                        self._execute(inner)
                    self._lending.check_not_given(items)
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
                pass
            case ast.Import(names=[ast.alias(name="math", asname=None)]):
                pass
            case _:
                raise NotReadable(f"line {statement.lineno} is more than an assert")

    def _assert(self, statement: ast.stmt, test: ast.expr) -> None:
        self.num_asserts += 1
        before = len(self.calls)
        self._conjunction = test
        truth = self._apply(bool, self._evaluate(test))
        looks = len(self.calls) > before or self._mentions_result(test)
        self.num_cases += looks
        if self.results is None:
            return
        reason, code = "", Reason.WRONG_ANSWER
        if isinstance(truth, Raised):
            reason, code = truth.failure.text, truth.failure.reason
        elif not truth and self._guess:
            reason = self._guess
        elif not truth:
            got = [shown(result) for result in self.results[before : len(self.calls)]]
            reason = "it does not hold" + (f"; returned: {', '.join(got)}" if got else "")
        elif self._guess:
            raise NotReadable(self._guess)
        self._guess = ""
        if looks or reason:
            source = ast.unparse(statement)[:300]
            self.assertions.append(Assertion(source, not reason, reason, code))

    def _bind(self, name: str, value: Any) -> None:
        if name in self._names or name in FUNCTIONS or name in TYPES:
            raise NotReadable(f"`{name}` is given another meaning")
        self._values[name] = value

    def _mentions_result(self, test: ast.expr) -> bool:
        return any(isinstance(node, ast.Name) and node.id in self._values for node in ast.walk(test))

    # ------------------------------------------------------------------------------ expressions

    def _evaluate(self, node: ast.expr) -> Any:
        self._count()
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._name(name)
            case ast.List(elts=items):
                return self._built(list, items)
            case ast.Tuple(elts=items):
                return self._built(tuple, items)
            case ast.Set(elts=items):
                return self._built(set, items)
            case ast.Dict(keys=keys, values=values) if None not in keys:
                parts = [
                    self._evaluate(part)
                    for pair in zip(keys, values, strict=True)
                    for part in pair
                    if part
                ]
                return self._apply(lambda *all_: dict(zip(all_[::2], all_[1::2], strict=True)), *parts)
            case ast.UnaryOp(op=op, operand=operand):
                return self._apply(UNARY[type(op)], self._evaluate(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                both = self._evaluate(left), self._evaluate(right)
                return self._apply_also_to_opaque(lambda *both: _combine(op, *both), *both)
            case ast.BoolOp(op=op, values=values):
                return self._bool(isinstance(op, ast.And), self._operands(node, values, sure=1))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                _check_identities(node)
                operands = self._operands(node, (left, *comparators), sure=2)
                return self._apply_also_to_opaque(lambda *all_: self._compare(all_, ops), *operands)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                parts = [self._evaluate(part) if part else None for part in (lower, upper, step)]
                return self._apply(lambda v, *p: v[slice(*p)], self._evaluate(value), *parts)
            case ast.Subscript(value=value, slice=index):
                return self._apply(operator.getitem, self._evaluate(value), self._evaluate(index))
            case ast.Call(func=function, args=args, keywords=keywords):
                return self._call(function, args, keywords)
        raise NotReadable(f"line {node.lineno}: {ast.unparse(node)[:80]} cannot be read")

    def _name(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        if name in TYPES:
            return TYPES[name]
        raise NotReadable(f"`{name}` is not known outside the sandbox")

    def _built(self, kind: Callable[[list[Any]], Any], items: Sequence[ast.expr]) -> Any:
        return self._apply(lambda *values: kind(list(values)), *map(self._evaluate, items))

    def _operands(self, node: ast.expr, operands: Sequence[ast.expr], sure: int) -> list[Any]:
        """All of them, so that both passes make the same calls; Python may stop after `sure`."""
        values = [self._evaluate(operand) for operand in operands[:sure]]
        before = len(self.calls)
        values += [self._evaluate(operand) for operand in operands[sure:]]
        fails_early = node is self._conjunction and not isinstance(getattr(node, "op", None), ast.Or)
        if len(self.calls) > before and not fails_early:
            raise NotReadable("a call depends on the result of another")
        return values

    def _bool(self, is_and: bool, operands: Sequence[Any]) -> Any:
        for operand in operands:
            truth = self._apply(bool, operand)
            if not isinstance(truth, bool) or truth != is_and:
                return operand
        return operands[-1]

    def _call(
        self, function: ast.expr, args: Sequence[ast.expr], keywords: Sequence[ast.keyword]
    ) -> Any:
        if any(isinstance(arg, ast.Starred) for arg in args) or any(k.arg is None for k in keywords):
            raise NotReadable("arguments by * or ** cannot be read")
        name = ast.unparse(function)
        values = [self._evaluate(arg) for arg in args]
        named = {str(k.arg): self._evaluate(k.value) for k in keywords}
        if name in self._names:
            return self._candidate(values, named)
        known = FUNCTIONS.get(name)
        if known is None:
            raise NotReadable(f"`{name}` is not known outside the sandbox")
        names, count = list(named), len(values)
        value = self._apply(
            lambda *all_: known(*all_[:count], **dict(zip(names, all_[count:], strict=True))),
            *values,
            *named.values(),
        )
        if isinstance(value, Iterator):
            self._lending.take(value)
        return value

    def _candidate(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        for value in (*args, *kwargs.values()):
            self._known(value)
        self._lending.give((*args, *kwargs.values()))
        self.calls.append(Call(tuple(args), kwargs))
        if self.results is None:
            return _UNKNOWN
        if len(self.calls) > len(self.results):
            raise NotReadable("a call was not tried")
        result = self.results[len(self.calls) - 1]
        if isinstance(result, Lookalike):
            raise NotReadable(f"returned a {result.kind}")
        self._lending.take(result)
        return result

    # ------------------------------------------------------------------------------------ rules

    def _apply(self, function: Callable[..., Any], *values: Any) -> Any:
        """The function's value; an unknown or failed operand makes the whole unknown or failed."""
        for value in values:
            if isinstance(value, Opaque):
                raise NotReadable(value.reason)
        return self._apply_also_to_opaque(function, *values)

    def _apply_also_to_opaque(self, function: Callable[..., Any], *values: Any) -> Any:
        self._lending.check_unchanged(values)
        if any(isinstance(value, _Unknown) for value in values):
            return _UNKNOWN
        for value in values:
            if isinstance(value, Raised):
                return value
        try:
            return function(*values)
        except (NotReadable, NoValue) as e:
            raise NotReadable(str(e)) from e
        except Exception as e:
            if self.results is None:
                raise NotReadable(f"{type(e).__name__}: {e}") from e
            return Raised(raised(f"{type(e).__name__}: {e}"[:200]))

    def _compare(self, values: Sequence[Any], ops: Sequence[ast.cmpop]) -> bool:
        return all(
            self._compare_two(op, left, right)
            for left, op, right in zip(values, ops, values[1:], strict=False)
        )

    def _compare_two(self, op: ast.cmpop, left: Any, right: Any) -> bool:
        """An object of the program's own equals no plain value, whatever its class says of that.

        This is a guess, with which an assert can fail; whether one holds by it is left to Python.
        """
        opaque = left if isinstance(left, Opaque) else right
        if not isinstance(opaque, Opaque) or isinstance(op, ast.Is | ast.IsNot):
            return COMPARE[type(op)](left, right)
        unequal = isinstance(op, ast.NotEq | ast.NotIn)
        within = isinstance(op, ast.In | ast.NotIn)
        if (isinstance(left, Opaque) and isinstance(right, Opaque)) or (within and opaque is right):
            raise NotReadable(opaque.reason)
        if not (unequal or within or isinstance(op, ast.Eq)):
            raise TypeError(opaque.reason)
        self._guess = opaque.reason
        return unequal

    def _known(self, value: Any) -> Any:
        if isinstance(value, _Unknown):
            raise NotReadable("a call depends on the result of another")
        return value

    def _count(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise NotReadable("the tests take too many steps")


def _combine(op: ast.AST, left: Any, right: Any) -> Any:
    if isinstance(left, Opaque) and isinstance(right, Opaque):
        raise NotReadable(left.reason)
    for value in (left, right):
        if isinstance(value, Opaque):
            raise TypeError(value.reason)
    return BINARY[type(op)](left, right)


def _check_identities(node: ast.Compare) -> None:
    """Identity means something for singletons only: values have left the process they were in."""
    operands = [node.left, *node.comparators]
    for op, *both in zip(node.ops, operands, operands[1:], strict=False):
        singleton = any(
            isinstance(one, ast.Constant) and isinstance(one.value, bool | None) for one in both
        )
        if isinstance(op, ast.Is | ast.IsNot) and not singleton:
            raise NotReadable("identity cannot be read")
