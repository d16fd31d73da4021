"""Explains a config mistake in one line: its origin, the key, and a suggestion.

The origin is the command line if the key was given there, else the file and line. It is both if the
mistake needs both, such as an option from the file for a part from the command line.
`verifiers/mistakes.py` words the messages about single values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.errors import UserMistake
from verifiers.mistakes import first_mistake, sentence
from verifiers.plugins import Kind, PartOf

Keys = tuple[str, ...]


class ConfigError(UserMistake):
    """The user's config is wrong; the message is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of a config's keys."""

    file: str = ""
    """Name of the file; "" if every key comes from the command line."""
    lines: Mapping[Keys, int] = field(default_factory=dict)
    """Key -> its line in the file."""
    given: Sequence[Keys] = ()
    """Keys given on the command line."""

    def blame(self, keys: Keys) -> str:
        """The start of a message about these keys: file and line, or the command line."""
        if not self.file:
            return ""
        below = [one for one in self.given if one[: len(keys)] == keys]
        is_given = any(keys[: len(one)] == one for one in self.given)
        if is_given or (keys and below and keys not in self.lines):
            return "on the command line: "
        line = self.lines.get(keys)
        where = self.file if line is None else f"{self.file}, line {line}"
        touched = below or (line is None and any(one[:1] == keys[:1] for one in self.given))
        return f"{where} and the command line: " if touched else f"{where}: "

    def whole(self, keys: Keys) -> Keys:
        """The whole key as given: for `enginee.model=m`, pydantic only reports `enginee`."""
        if keys in self.lines:
            return keys
        return next((one for one in self.given if one[: len(keys)] == keys), keys)


def explain(error: ValidationError, wanted: object, raw: object, origin: Origin | None = None) -> str:
    """One line about the first mistake in `raw`.

    `wanted` is the expected model or an `Annotated` part.
    """
    origin, root = origin or Origin(), _place(wanted, raw)
    keys, mistake = _innermost(error)
    keys = _shorten(keys, raw)
    text = sentence(mistake)
    if mistake["type"] == "extra_forbidden":
        keys = origin.whole(keys)
        text += _suggestion(keys, root)
    elif mistake["type"] == "value_error" and (place := root.at(keys)) and place.is_unknown_part:
        keys = (*keys, "use")
    return f"{origin.blame(keys)}{'.'.join(keys)}{': ' if keys else ''}{text}"


def _innermost(error: ValidationError, above: Keys = ()) -> tuple[Keys, Mapping[str, Any]]:
    """The key and details of the mistake; a part's section has its own ValidationError inside."""
    mistake = first_mistake(error)
    keys = (*above, *map(str, mistake["loc"]))
    inner = (mistake.get("ctx") or {}).get("error")
    return _innermost(inner, keys) if isinstance(inner, ValidationError) else (keys, mistake)


def _shorten(keys: Keys, raw: object) -> Keys:
    """The keys without the names of union branches that pydantic appends."""
    value = raw
    for depth, key in enumerate(keys):
        if isinstance(value, Mapping):
            if key not in value:
                return keys[: depth + 1]
            value = value[key]
        elif isinstance(value, Sequence) and not isinstance(value, str) and key.isdigit():
            value = value[int(key)] if int(key) < len(value) else None
        else:
            return keys[:depth]
    return keys


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a config: its expected type and its value."""

    type: object
    raw: object
    marks: Sequence[object] = ()
    """Metadata of an `Annotated` type."""

    @property
    def kind(self) -> Kind | None:
        """The kind of part expected here; None if the place takes no part."""
        return next((mark.kind for mark in self.marks if isinstance(mark, PartOf)), None)

    @property
    def use(self) -> str:
        """The name of the part used here."""
        return str(self.raw.get("use", "")) if isinstance(self.raw, Mapping) else ""

    @property
    def is_unknown_part(self) -> bool:
        """Whether `use` names a part that cannot be found."""
        return self.kind is not None and bool(self.use) and not _part_fields(self.kind, self.use)

    def below(self) -> dict[str, "_Place"]:
        """Key -> its place; empty for a plain value."""
        if self.kind is not None:
            fields = _part_fields(self.kind, self.use)
        elif isinstance(self.type, type) and issubclass(self.type, BaseModel):
            fields = {
                key: (info.annotation, info.metadata) for key, info in self.type.model_fields.items()
            }
        else:
            return self._below_generic()
        raw = self.raw if isinstance(self.raw, Mapping) else {}
        return {key: _Place(kind, raw.get(key), marks) for key, (kind, marks) in fields.items()}

    def _below_generic(self) -> dict[str, "_Place"]:
        """The same, for lists and unions."""
        origin, arguments = get_origin(self.type), get_args(self.type)
        if origin in (list, tuple):
            items = self.raw if isinstance(self.raw, list | tuple) else ()
            return {str(index): _place(arguments[0], item) for index, item in enumerate(items)}
        found = (_place(one, self.raw).below() for one in arguments)
        return next((below for below in found if below), {})

    def at(self, keys: Keys) -> "_Place | None":
        """The place at these keys, relative to this place."""
        if not keys:
            return self
        below = self.below().get(keys[0])
        return None if below is None else below.at(keys[1:])


def _place(annotation: object, raw: object) -> _Place:
    """The place of a value with this annotation."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return _Place(inner, raw, marks)
    return _Place(annotation, raw)


def _part_fields(kind: Kind, use: str) -> dict[str, tuple[object, Sequence[object]]]:
    """Options of a part and of its kind; empty for a part that cannot be found."""
    try:
        models = [kind.find(use).Config, *([kind.settings] if kind.settings else [])]
    except ValueError:
        return {}
    fields = {key: info for model in models for key, info in model.model_fields.items()}
    return {"use": (str, ()), **{key: (info.annotation, info.metadata) for key, info in fields.items()}}


def _owners(place: _Place, key: str) -> list[str]:
    """Built-in parts of the place's kind that have the key."""
    if place.kind is None:
        return []
    return [use for use in place.kind.builtin if key in _part_fields(place.kind, use)]


def _suggestion(keys: Keys, root: _Place) -> str:
    """A suggestion for unknown keys, as the end of a message."""
    *above, last = keys
    section = root.at(tuple(above))
    while section is None:
        *above, last = above
        section = root.at(tuple(above))
    if owners := _owners(section, last):
        uses = " or ".join(owners)
        return f" of use={section.use}; {'.'.join(above)}.use={uses} has it"
    nearest = _nearest(keys, root)
    if nearest is not None and nearest != keys:
        return f"; did you mean {'.'.join(nearest)}?"
    paths = list(_paths(root))
    near = get_close_matches(last, {path[-1] for path in paths}, n=1)
    elsewhere = [path for path in paths if [path[-1]] == near]
    if len(elsewhere) == 1:
        return f"; did you mean {'.'.join(elsewhere[0])}?"
    return f"; expected one of {', '.join(section.below()) or 'none, it takes no keys'}"


def _nearest(keys: Keys, place: _Place) -> Keys | None:
    """The keys with each unknown one replaced by a similar known one; None without a match."""
    below = place.below()
    if not keys or not below:
        return keys
    key, *rest = keys
    near = [key] if key in below else get_close_matches(key, below, n=1)
    if not near and rest == [] and place.kind is not None:
        others = {one for use in place.kind.builtin for one in _part_fields(place.kind, use)}
        near = get_close_matches(key, others, n=1)
    if not near:
        return None
    inner = _nearest(tuple(rest), below[near[0]]) if near[0] in below else ()
    return None if inner is None else (near[0], *inner)


def _paths(root: _Place) -> Iterator[Keys]:
    """Every known key and the keys directly below it."""
    for key, place in root.below().items():
        yield (key,)
        for inner in place.below():
            yield key, inner
