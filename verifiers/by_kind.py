"""`by_kind`: sends each target to the verifier for its kind, for problem sets that mix kinds.

    verifier: {use: by_kind, kinds: {math: {use: math}, choice: {use: multiple_choice}}}

A key of `kinds` is a target's kind, or the name of a built-in verifier, which stands for every kind
that it takes (`code`: stdin_stdout, calls and asserts). A kind's own key takes precedence. Without
`kinds`, every built-in verifier that needs no options judges the kinds it takes, and starts when the
first target of such a kind arrives. A kind without a verifier is an ERROR, unless `default` is set.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, model_validator

from sandbox import SandboxConfig
from verifiers.catalog import MADE_OF_PARTS, VERIFIER, VERIFIERS, build_verifier
from verifiers.combine import wait_for_all
from verifiers.isolation.border import Border
from verifiers.isolation.target_kinds import refusal, target_kinds
from verifiers.plugins import Part, PartOf
from verifiers.records import Outcome, Target, Verdict, VerifierBase

_Section = Annotated[Part, PartOf(VERIFIER)]


class ByKind(VerifierBase):
    """Delegates to the verifier for the target's kind."""

    class Config(BaseModel):
        """Verifiers by target kind."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        kinds: dict[str, _Section] | None = None
        """Target kind, or name of a built-in verifier, -> a section like `verifier`."""
        default: _Section | None = None
        """Verifier for all other kinds."""

        @model_validator(mode="after")
        def _parts_take_their_kinds(self) -> Self:
            if self.kinds == {}:
                raise ValueError("kinds: expected at least one, such as {math: {use: math}}, got none")
            for kind, part in _by_kind(self.kinds or {}).items():
                if problem := refusal(part.cls, kind):
                    raise ValueError(
                        f"kinds: expected a verifier for {kind}, but {part.use!r} {problem}"
                    )
            return self

    name = "by_kind"
    uses_sandbox = True
    """True because a part may need it."""

    def __init__(self, config: Config, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        parts = _by_kind(config.kinds) if config.kinds is not None else _built_in()
        borders = {id(part): Border(build_verifier(part, sandbox)) for part in parts.values()}
        self._borders = {kind: borders[id(part)] for kind, part in parts.items()}
        self._default = Border(build_verifier(config.default, sandbox)) if config.default else None
        if self._default is None:
            # The class takes any kind; an instance takes only the kinds of its parts.
            self.target_kinds = tuple(sorted(self._borders))
        self._starts: dict[Border, asyncio.Task[None]] = {}
        named = [f"{kind}={one.name}/{one.version}" for kind, one in sorted(self._borders.items())]
        if self._default is not None:
            named.append(f"{self._default.name}/{self._default.version}")
        self.version = f"1({','.join(named)})"

    async def start(self) -> None:
        """Starts every verifier that the config names. Raises the first failure."""
        if self.config.kinds is not None:
            await wait_for_all(map(self._start, self._all()))

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verdict of the verifier for the target's kind; the evidence names that verifier."""
        border = self._borders.get(target.kind, self._default)
        if border is None:
            return Verdict(
                outcome=Outcome.ERROR,
                reason=f"no verifier takes kind {target.kind}, only {', '.join(self._borders)}",
            )
        try:
            await self._start(border)
        except (Exception, SystemExit) as e:  # noqa: BLE001 - third-party verifiers raise anything
            verdict = border.error(f"{border.name} cannot start: {type(e).__name__}: {e}")
        else:
            verdict = await border.verify(prompt, response, target)
        judged_by = f"{border.name}/{border.version}"
        return replace(
            verdict,
            evidence={**verdict.evidence, "judged_by": judged_by},
            verifier=self.name,
            version=self.version,
        )

    async def close(self) -> None:
        """Closes every verifier, even if one fails. Calling it twice is safe."""
        self._starts.clear()
        await wait_for_all(border.close() for border in self._all())

    def _all(self) -> list[Border]:
        return list(dict.fromkeys([*self._borders.values(), *filter(None, [self._default])]))

    async def _start(self, border: Border) -> None:
        """Waits for the verifier's start, which runs once even if the first caller is cancelled."""
        if border not in self._starts:
            self._starts[border] = asyncio.create_task(border.start())
        await asyncio.shield(self._starts[border])


def _by_kind(sections: Mapping[str, Part]) -> dict[str, Part]:
    """The section of each kind; a kind's own key takes precedence over a verifier's name."""
    found: dict[str, Part] = {}
    for key, part in sections.items():
        for kind in _kinds_of(key):
            if kind == key or kind not in sections:
                found[kind] = part
    return found


def _kinds_of(key: str) -> tuple[str, ...]:
    """The kinds that the built-in verifier of this name takes; otherwise the key itself."""
    return (target_kinds(VERIFIER.find(key)) if key in VERIFIERS else None) or (key,)


def _built_in() -> dict[str, Part]:
    """Every built-in verifier that needs no options, keyed by the kinds it takes, or else its name."""
    found: dict[str, Part] = {}
    for name in VERIFIERS.keys() - MADE_OF_PARTS:
        fields = VERIFIER.find(name).Config.model_fields.values()
        if not any(field.is_required() for field in fields):
            part = VERIFIER.part({"use": name})
            found |= dict.fromkeys(_kinds_of(name), part)
    return dict(sorted(found.items()))
