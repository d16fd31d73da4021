"""Renders every key of a config as a Markdown page, from the pydantic fields and the text under each.

`berry keys` prints the page, and a test compares `docs/config-keys.md` with it, so that the page cannot
become stale.
"""

import ast
import enum
import inspect
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.config.parts import KINDS
from pipeline.config.run_config import RunConfig
from verifiers.plugins import Kind, Part, PartOf

_INTRO = """\
# Every key of a config
`berry keys` prints this page; [configs.md](configs.md) explains how configs work. A section that
names a part by `use` takes the keys of that part.
"""
_LONGEST_DEFAULT = 60
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def render_reference(trainings: Mapping[str, type[BaseModel]]) -> str:
    """The whole page as Markdown; `trainings` has the options of commands, by command."""
    plain = {name: field for name, field in RunConfig.model_fields.items() if _section(field) is None}
    blocks = [_INTRO, "## Top level\n" + _table(RunConfig, plain)]
    for name, field in RunConfig.model_fields.items():
        section = _section(field)
        if isinstance(section, Kind):
            blocks.append(f"## `{name}.use`\n" + "\n".join(_parts(section, name)))
        elif section is not None:
            blocks.append(f"## `{name}`\n" + _table(section, section.model_fields, f"{name}."))
    for command, options in trainings.items():
        blocks.append(f"## `berry {command}`\n" + _table(options, options.model_fields))
    return "\n".join(blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a config, in words."""

    key: str
    use: str | None
    """The part that takes it, a value of its section's `use`; None if all do."""
    value: str
    """The allowed values."""
    default: str
    """Empty for none."""
    meaning: str


def every_key(trainings: Mapping[str, type[BaseModel]]) -> Iterator[Key]:
    """Every key of a run's config, and the options of commands, such as `train.KEY` of
    `berry train`."""
    models = RunConfig.model_fields
    yield from _keys(
        RunConfig, {name: one for name, one in models.items() if _section(one) is None}, ""
    )
    for name, field in models.items():
        section = _section(field)
        if isinstance(section, Kind):
            for use in sorted(section.builtin):
                config: type[BaseModel] = section.find(use).Config
                yield from _keys(config, config.model_fields, f"{name}.", use)
            if section.settings is not None:
                yield from _keys(section.settings, section.settings.model_fields, f"{name}.")
        elif section is not None:
            yield from _keys(section, section.model_fields, f"{name}.")
    for command, options in trainings.items():
        yield from _keys(
            options, options.model_fields, f"{command.replace(',', '').replace(' ', '.')}."
        )


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the text under it in the source of the model and its base classes."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found |= dict(_attribute_docs(cls))
    return found


def _attribute_docs(cls: type) -> Iterator[tuple[str, str]]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    for before, after in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            yield before.target.id, " ".join(after.value.value.split())


def _section(field: FieldInfo) -> Kind | type[BaseModel] | None:
    """The kind of part or the model of a field that is a section; None for a plain key."""
    for annotation in _unwrapped(field.annotation, field.metadata):
        if isinstance(annotation, PartOf):
            return annotation.kind
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
    return None


def _unwrapped(annotation: object, metadata: object = ()) -> Iterator[object]:
    """An annotation, its components and its metadata."""
    yield annotation
    if isinstance(metadata, list | tuple):
        yield from metadata
    for inner in get_args(annotation):
        yield from _unwrapped(inner)


def _parts(kind: Kind, section: str) -> Iterator[str]:
    same = next(name for name, other in KINDS.items() if other.group == kind.group)
    if same != section:
        yield f"A list; each entry has the keys of `{same}.use`.\n"
    for use in sorted(kind.builtin) if same == section else ():
        config: type[BaseModel] = kind.find(use).Config
        yield f"### `use: {use}`"
        yield _table(config, config.model_fields, f"{section}.") or "No keys of its own.\n"
    if kind.settings is not None:
        yield "### Every part of this section"
        yield _table(kind.settings, kind.settings.model_fields, f"{section}.")


def _table(model: type[BaseModel], fields: Mapping[str, FieldInfo], prefix: str = "") -> str:
    """The keys of a model as a table; nested models get rows of their own."""
    rows = list(_rows(model, fields, prefix))
    if not rows:
        return ""
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _rows(model: type[BaseModel], fields: Mapping[str, FieldInfo], prefix: str) -> Iterator[str]:
    for one in _keys(model, fields, prefix):
        cells = (f"`{one.key}`", one.value, one.default, one.meaning.replace("|", "\\|"))
        yield f"| {' | '.join(cells)} |"


def _keys(
    model: type[BaseModel], fields: Mapping[str, FieldInfo], prefix: str, use: str | None = None
) -> Iterator[Key]:
    docs = field_docs(model)
    for name, field in fields.items():
        inner = _section(field)
        if isinstance(inner, type) and get_origin(field.annotation) is None:
            yield from _keys(inner, inner.model_fields, f"{prefix}{name}.", use)
            continue
        yield Key(
            key=f"{prefix}{name}",
            use=use,
            value=_value(field),
            default=_default(field),
            meaning=docs.get(name) or field.description or "",
        )


def _value(field: FieldInfo) -> str:
    """Description of the key's allowed values."""
    limits = [
        f"{sign} {getattr(mark, name):g}"
        for mark in field.metadata
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if hasattr(mark, name)
    ]
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_type, arguments)))
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "keys and values"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{one.name.lower()}`" for one in annotation)
    if annotation is Part:
        return "a section with `use`"
    if annotation is type(None):
        return "null"
    return getattr(annotation, "__name__", str(annotation)).lower()


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "(required)"
    if isinstance(value, enum.Enum):
        return f"`{value.name.lower()}`"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value == ():
        return ""
    if isinstance(value, str) and len(value) > _LONGEST_DEFAULT:
        return "(a built-in text)"
    if isinstance(value, str):
        # A table cell is one line.
        return f"`{value.encode('unicode_escape').decode()}`" if value.isascii() else f"`{value}`"
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`" if isinstance(value, int | float) else ""
