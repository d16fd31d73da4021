"""The sizes of folders, files, classes and functions, and what may stand where."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("pipeline", "verifiers", "reward_models", "sandbox")
MOST_MODULES, MOST_LINES, MOST_CLASS_LINES, MOST_FUNCTION_LINES = 16, 400, 250, 60


def modules(folder: Path = ROOT) -> list[Path]:
    return sorted(path for name in PACKAGES for path in (folder / name).rglob("*.py"))


def too_long(path: Path) -> Iterator[str]:
    """A file with more than one idea."""
    if (count := len(path.read_text().splitlines())) > MOST_LINES:
        yield f"{path}: {count} lines"


def too_large(path: Path) -> Iterator[str]:
    """What in a file is longer than a reader can hold in mind."""
    yield from too_long(path)
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            most = MOST_CLASS_LINES if isinstance(node, ast.ClassDef) else MOST_FUNCTION_LINES
            if (count := (node.end_lineno or 0) - node.lineno + 1) > most:
                yield f"{path}:{node.lineno}: {node.name} has {count} lines"


def definitions(path: Path) -> list[str]:
    """What a file defines itself: classes, functions and names other than `__all__`."""
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.name)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [ast.unparse(target) for target in targets if ast.unparse(target) != "__all__"]
    return found


def prints(path: Path) -> list[int]:
    """The lines that call `print`."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def test_files_classes_and_functions_are_small() -> None:
    found = [one for path in modules() for one in too_large(path)]
    assert not found, "\n".join(found)


def test_files_of_tests_are_small() -> None:
    found = [one for path in sorted((ROOT / "tests").rglob("*.py")) for one in too_long(path)]
    assert not found, "\n".join(found)


def test_folders_have_few_modules() -> None:
    for folder in {path.parent for path in modules()}:
        names = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(names) <= MOST_MODULES, f"{folder}: {len(names)} modules: {sorted(names)}"


def test_package_faces_define_nothing() -> None:
    for path in modules():
        if path.name == "__init__.py":
            assert not definitions(path), path


def test_every_package_and_module_says_what_it_is() -> None:
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_only_commands_print() -> None:
    """Everything else returns values or logs: whoever imports it decides what is shown."""
    # Each is a command of its own, by `python -m`.
    allowed = {ROOT / "sandbox" / "selfcheck.py", ROOT / "pipeline" / "engines" / "models.py"}
    for path in modules():
        if path.is_relative_to(ROOT / "pipeline" / "cli") or path in allowed or "inside" in path.parts:
            continue
        assert not prints(path), f"{path}: lines {prints(path)}"


def test_unit_tests_lie_where_what_they_test_lies() -> None:
    """The folders below tests/unit are those of the packages."""
    unit = ROOT / "tests" / "unit"
    for path in unit.rglob("test_*.py"):
        place = path.parent.relative_to(unit)
        assert (ROOT / place).is_dir(), f"{path}: no folder {place} in the packages"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (too_large, "x = 1\n" * (MOST_LINES + 1)),
        (too_long, "x = 1\n" * (MOST_LINES + 1)),
        (too_large, "class A:\n" + "    x = 1\n" * MOST_CLASS_LINES),
        (too_large, "def f():\n" + "    x = 1\n" * MOST_FUNCTION_LINES),
        (definitions, "X = 1"),
        (definitions, "class A: ..."),
        (prints, "def f():\n    print(1)"),
    ],
)
def test_each_check_sees_a_violation(check: object, text: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert callable(check)
    assert list(check(path))
