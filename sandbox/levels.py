"""Finds out what this machine can enforce, by running canary attacks at each level."""

from dataclasses import dataclass, field

from sandbox.attacks import ATTACKS, ESCAPED, HELD, Attack
from sandbox.inside import lock
from sandbox.records import Level, Program, Result, SandboxUnavailable, Status
from sandbox.worker import Walls, Worker, WorkerLost

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The strongest walls that held on this machine."""

    walls: Walls
    not_covered: tuple[str, ...]
    """Remaining possibilities for a program, each with the remedy."""
    passed_over: tuple[str, ...] = field(default=())
    """Stronger walls that this machine cannot provide, each with the reason."""

    @property
    def level(self) -> Level:
        """The level of the walls."""
        return self.walls.level


def candidates() -> list[Walls]:
    """Every kind of wall, the strongest first."""
    landlock, seccomp = lock.SUPPORTED and lock.landlock_version() > 0, lock.SUPPORTED
    walls = [
        Walls(namespaces=True, landlock=landlock, seccomp=seccomp),
        Walls(namespaces=False, landlock=landlock, seccomp=seccomp),
        Walls(namespaces=False, landlock=False, seccomp=seccomp),
        Walls(namespaces=False, landlock=False, seccomp=False),
    ]
    return list(dict.fromkeys(walls))


async def find_protection(minimum: Level = Level.WEAK) -> Protection:
    """Tries walls from the strongest down to `minimum`. Raises SandboxUnavailable if none holds."""
    passed_over: list[str] = []
    for walls in candidates():
        if walls.level < minimum:
            break
        try:
            escaped = await self_test(walls)
        except SandboxUnavailable as e:
            passed_over.append(str(e))
            continue
        if escaped and walls.level > Level.WEAK:
            passed_over.append(f"{walls.level.name.lower()}: not held against {', '.join(escaped)}")
            continue
        return Protection(
            walls=walls,
            not_covered=tuple(_not_covered(walls, escaped)),
            passed_over=tuple(passed_over),
        )
    raise SandboxUnavailable(
        f"expected a sandbox of level {minimum.name.lower()} or better, got none on this machine: "
        f"{'; '.join(passed_over)}. Install bubblewrap, or allow user namespaces, or use a kernel with "
        "Landlock (5.13 or later); sandbox.allow_weak=true runs untrusted code anyway"
    )


async def self_test(walls: Walls) -> list[str]:
    """Names of the canaries that succeeded. Raises SandboxUnavailable if nothing runs at all.

    A worker hit from outside says nothing about the walls: the test is repeated, a few times.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        worker = Worker(walls)
        try:
            await worker.start()
            return await _try_canaries(worker)
        except WorkerLost as e:
            if attempt == _ATTEMPTS:
                raise SandboxUnavailable(f"{walls.level.name.lower()}: {e}, {attempt} times") from e
        finally:
            await worker.close()
    raise AssertionError("the loop returns or raises")


async def _try_canaries(worker: Worker) -> list[str]:
    probe = await _run(worker, Program(code="import json, decimal; print(json.dumps(6 * 7))"))
    if probe.status is not Status.OK or probe.stdout != b"42\n":
        raise SandboxUnavailable(
            f"{worker.walls.level.name.lower()}: a harmless program ended with {probe.status.value}: "
            f"{probe.stderr.decode(errors='replace')[-300:]}"
        )
    return [attack.name for attack in ATTACKS if attack.canary and await got_through(worker, attack)]


async def got_through(worker: Worker, attack: Attack) -> bool:
    """Whether the attack succeeded. Raises WorkerLost.

    An attack that broke before it could tell counts as successful, because its result is unknown.
    """
    result = await _run(worker, attack.program())
    if attack.must_end_as is not None:
        return result.status not in attack.must_end_as or ESCAPED in result.stdout
    return not result.stdout.startswith(HELD)


async def _run(worker: Worker, program: Program) -> Result:
    """The program's result; the last one if it is killed from outside each time."""
    for _ in range(_ATTEMPTS):
        result = await worker.run(program)
        if result.status is not Status.KILLED:
            break
    return result


def _not_covered(walls: Walls, escaped: list[str]) -> list[str]:
    gaps = []
    if walls.level is Level.LANDLOCK:
        gaps.append(
            "without namespaces a program can learn that a file or process exists, cannot write "
            "files, and commands are refused: install bubblewrap, or allow user namespaces"
        )
    if walls.namespaces and not walls.landlock:
        gaps.append("Landlock as a second wall: Linux 5.13 or later, `landlock` in the kernel's `lsm=`")
    gaps.extend(f"attack: {name}" for name in escaped)
    return gaps
