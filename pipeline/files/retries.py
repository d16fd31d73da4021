"""Repeats calls to a store while it fails in a way that may pass."""

import errno
import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pipeline.errors import named

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")
_SURE = frozenset({errno.EINVAL, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ENOSPC, errno.EROFS})
"""Numbers of errors that a repetition does not change."""
_SURE_KINDS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_CREDENTIALS = frozenset({"CredentialRetrievalError", "NoCredentialsError", "PartialCredentialsError"})
"""Names of botocore's errors about missing credentials."""
_NETWORK = frozenset({"BotoCoreError", "ClientError", "ClientPayloadError", "HttpError"})
"""Names of base classes of errors of a store or the way to it; they are no OSErrors."""
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 15.0
PATIENCE_SECONDS = 180.0
"""Time for which a failing store is asked again."""


def persistently(function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Calls the function; repeats it while a store fails in a way that may pass.

    The waits between calls grow, up to `PATIENCE_SECONDS` in all. Raises OSError as the function does,
    PermissionError without credentials, and one with EIO for a store that keeps failing.
    """
    ends, wait = time.monotonic() + PATIENCE_SECONDS, _FIRST_WAIT_SECONDS
    while True:
        try:
            return function(*args, **kwargs)
        except Exception as e:
            kinds = {kind.__name__ for kind in type(e).__mro__}
            if kinds & _CREDENTIALS:
                raise PermissionError(
                    errno.EACCES,
                    "the store asks for credentials, found none; set them in the environment, such as "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                ) from e
            if not _may_pass(e, kinds):
                raise
            if time.monotonic() + wait > ends:
                raise OSError(errno.EIO, f"the store keeps failing: {named(e)}") from e
            _log.info("the store failed, next attempt in %.1f s: %s", wait, named(e))
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def _may_pass(error: Exception, kinds: set[str]) -> bool:
    if isinstance(error, OSError):
        return not isinstance(error, _SURE_KINDS) and error.errno not in _SURE
    return bool(kinds & _NETWORK)
