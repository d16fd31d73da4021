"""Has a crew take over new weights, one actor after the other, while all others go on."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from ray.exceptions import RayError, RayTaskError

from pipeline.cluster.crew import Crew
from pipeline.cluster.lost import one_line
from pipeline.cluster.seating import Observer, Seating
from pipeline.cluster.weights.requests import Answer, Bundle
from pipeline.engines import WeightsRefused
from reward_models.errors import RewardModelError


async def change_weights(bundle: Bundle, crew: Crew, seating: Seating, observer: Observer) -> Answer:
    """Has the reward models take over the bundle, then the workers.

    If the first of them finds that the weights do not fit, no other is asked. One that fails otherwise
    keeps what it had, and the answer says so.
    """
    if (mistake := _find_mistake(bundle, crew)) is not None:
        return Answer(version=bundle.version, refused=(mistake,), is_mistake=True)
    changed: list[str] = []
    refused: list[str] = []
    is_mistake = False
    async with seating.changing:
        for name, change in _changes(bundle, crew, seating):
            try:
                await change()
            except RayError as e:
                refused.append(f"{name}: {one_line(e)}")
                cause = e.cause if isinstance(e, RayTaskError) else e
                is_mistake = isinstance(cause, WeightsRefused | RewardModelError) and not changed
                if is_mistake:
                    break
            else:
                changed.append(name)
        if changed:
            seating.bundle = bundle.over(seating.bundle)
    for line in refused:
        observer.message(f"warning: weights {bundle.version}: {line}")
    observer.event(
        "weights",
        version=bundle.version,
        engine=bundle.engine,
        reward_models={str(index): folder for index, folder in bundle.reward_models.items()},
        changed=changed,
        refused=refused,
    )
    return Answer(
        version=bundle.version,
        changed=tuple(changed),
        refused=tuple(refused),
        is_mistake=is_mistake,
    )


def _changes(
    bundle: Bundle, crew: Crew, seating: Seating
) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """The name of each actor that takes over weights, and the call."""
    for index, folder in sorted(bundle.reward_models.items()):
        for number, actor in enumerate(crew.reward_actors[index]):
            change = partial(actor.change_weights.remote, folder)
            yield f"reward model {index}, actor {number}", change
    if bundle.engine is not None:
        for seat in seating.seats:
            if seat.actor is not None:
                change = partial(seat.actor.change_weights.remote, bundle.engine)
                yield f"worker {seat.number}", change


def _find_mistake(bundle: Bundle, crew: Crew) -> str | None:
    """Why a bundle does not fit the run, one line; None if it may."""
    for index in bundle.reward_models:
        if not 0 <= index < len(crew.reward_actors) or not crew.reward_actors[index]:
            with_actors = [number for number, actors in enumerate(crew.reward_actors) if actors]
            return (
                f"expected the index of a reward model with actors of its own, one of "
                f"{with_actors or 'none'}, got {index}"
            )
    return None
