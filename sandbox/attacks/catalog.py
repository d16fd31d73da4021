"""All attacks."""

from sandbox.attacks.attack import Attack, parse
from sandbox.attacks.escapes import ESCAPES
from sandbox.attacks.resources import RESOURCES

ATTACKS: tuple[Attack, ...] = (*parse(ESCAPES), *parse(RESOURCES))
