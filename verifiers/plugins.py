"""Parts that a config names: `use: NAME`, followed by the part's own options.

A name is a built-in name, an entry point of an installed package, or `module:Class`. Each class
declares its options as a pydantic model `Config`. Importing a module registers nothing. The module is
in this package, below the pipeline, because verifiers consist of parts too.

Installed packages are scanned once for each `sys.path`. A process that installs a package while it runs
calls `forget_installed_packages` to have them scanned again.
"""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoints, entry_points
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from verifiers.attributes import attribute
from verifiers.mistakes import shown


# A scan reads every package's metadata: 20 ms or more, and one config looks up a dozen names.
@functools.lru_cache(maxsize=8)
def _scan(path: tuple[str, ...]) -> Any:
    """The entry points of all packages on `path`, which is the current `sys.path`.

    The return type depends on Python's version; every version has `select`.
    """
    return entry_points()


def _offered(group: str) -> EntryPoints:
    """The entry points that installed packages offer in a group."""
    found: EntryPoints = _scan(tuple(sys.path)).select(group=group)
    return found


def forget_installed_packages() -> None:
    """Makes the next look-up of a name scan the installed packages again."""
    importlib.invalidate_caches()
    _scan.cache_clear()


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A category of parts, such as strategies."""

    group: str
    """Entry-point group for parts from installed packages."""
    builtin: Mapping[str, str]
    """Name -> `module:Class`."""
    settings: type[BaseModel] | None = None
    """Keys that every section of this kind accepts in addition to its part's options. They set how the
    part runs, not what it does."""
    check: Callable[["Part"], None] | None = None
    """Raises ValueError for a part that this kind cannot use."""

    def names(self) -> dict[str, str]:
        """Every known name and its class's location. Raises ValueError for a name offered twice."""
        known = dict(self.builtin)
        for entry in _offered(self.group):
            if entry.name in known:
                raise ValueError(
                    f"{entry.name!r} is offered twice, as {known[entry.name]} and {entry.value}"
                )
            known[entry.name] = entry.value
        return known

    def find(self, use: str) -> type[Any]:
        """The class that `use` names. Raises ValueError, which lists the known names."""
        known = self.names()
        path = use if ":" in use else known.get(use)
        if path is None:
            near = get_close_matches(use, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"expected one of {', '.join(sorted(known))}, or module:Class, got {use!r}{hint}"
            )
        module_name, _, class_name = path.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (Exception, SystemExit) as e:
            # A third-party module may raise anything.
            raise ValueError(f"{use!r} cannot be imported: {type(e).__name__}: {e}") from e
        config = attribute(found, "Config")
        checked = isinstance(config, type) and issubclass(config, BaseModel)
        if not (isinstance(found, type) and checked):
            raise ValueError(f"expected {use!r} to be a class with a pydantic model `Config`")
        return found

    def options(self, use: str) -> set[str]:
        """The keys that a section may have besides `use`. Raises ValueError as `find` does."""
        own = set(self.find(use).Config.model_fields)
        return own | set(self.settings.model_fields if self.settings else ())

    def part(self, raw: object) -> "Part":
        """Checks a config section. Raises ValueError or pydantic's ValidationError."""
        if isinstance(raw, Part):
            return raw
        if not isinstance(raw, Mapping) or not isinstance(raw.get("use"), str):
            raise ValueError(f"expected `use: NAME` and options, got {shown(raw)}")
        found = self.find(raw["use"])
        options = {key: value for key, value in raw.items() if key != "use"}
        settings = self._take_settings(found, options)
        try:
            options = found.Config.model_validate(options)
        except (TypeError, KeyError, AttributeError) as e:
            # From a user's validator, which should have raised ValueError.
            raise ValueError(
                f"the options of {raw['use']!r} cannot be checked: {type(e).__name__}: {e}"
            ) from e
        part = Part(use=raw["use"], cls=found, options=options, settings=settings)
        if self.check is not None:
            self.check(part)
        return part

    def _take_settings(self, found: type[Any], options: dict[str, Any]) -> BaseModel | None:
        """Takes the kind's settings out of `options`, which keeps the part's own."""
        if self.settings is None:
            return None
        shared = self.settings.model_fields.keys()
        if both := sorted(shared & found.Config.model_fields.keys()):
            raise ValueError(
                f"expected `Config` without {both[0]!r}, which every section has; rename it"
            )
        taken = {key: options.pop(key) for key in shared if key in options}
        return self.settings.model_validate(taken)


@dataclass(frozen=True, slots=True)
class Part:
    """A class and its checked options, ready to be built."""

    use: str
    cls: type[Any]
    options: BaseModel
    settings: BaseModel | None = None
    """Settings for running the part; None if its kind has none."""

    def build(self, *arguments: object) -> Any:
        """An instance: the class called with its options and `arguments`."""
        return self.cls(self.options, *arguments)

    def dump(self) -> dict[str, Any]:
        """Everything that determines the part's behaviour, as plain JSON values, defaults included."""
        return {"use": self.use, **self.options.model_dump(mode="json")}

    def nested(self) -> Iterator["Part"]:
        """This part and all parts nested in its options."""
        yield self
        waiting = list(dict(self.options).values())
        while waiting:
            value = waiting.pop(0)
            if isinstance(value, Part):
                yield from value.nested()
            elif isinstance(value, Mapping):
                waiting += value.values()
            elif isinstance(value, list | tuple):
                waiting += value


@dataclass(frozen=True, slots=True)
class PartOf:
    """Annotation for a pydantic field: `Annotated[Part, PartOf(kind)]`."""

    kind: Kind

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Validates by `Kind.part`, serializes by `Part.dump`."""
        return core_schema.no_info_plain_validator_function(
            self.kind.part,
            serialization=core_schema.plain_serializer_function_ser_schema(Part.dump),
        )
