"""A real S3 server on loopback (moto's), and faults that a test can switch on."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server

_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Quiet(WSGIRequestHandler):
    """A handler that logs nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Drops the line."""


class Store:
    """The server. Attributes may be changed while it runs."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self.fails_until = 0.0
        """Answers 500 to every request until then (`time.monotonic`)."""
        self.fails_every = 0
        """Answers 500 to every n-th request; 0 to none."""
        self.slow_seconds = 0.0
        """Waits before every answer."""
        self.num_requests = 0
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        self.num_requests += 1
        time.sleep(self.slow_seconds)
        is_unlucky = self.fails_every and self.num_requests % self.fails_every == 0
        if time.monotonic() < self.fails_until or is_unlucky:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = b"<Error><Code>InternalError</Code><Message>try again</Message></Error>"
            headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
            start("500 Internal Server Error", headers)
            return [body]
        return self._app(environ, start)

    def heal(self) -> None:
        """Ends all faults."""
        self.fails_until, self.fails_every, self.slow_seconds = 0.0, 0, 0.0


@contextmanager
def running_store() -> Iterator[Store]:
    """Starts the server, with the environment that makes s3:// lead there."""
    store = Store()
    variables = {**_VARIABLES, "AWS_ENDPOINT_URL": store.url}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    # A file system of an earlier server would be used again, which has another port.
    S3FileSystem.clear_instance_cache()
    thread = Thread(target=store.server.serve_forever)
    thread.start()
    # All servers of a process share their buckets.
    urlopen(Request(f"{store.url}/moto-api/reset", method="POST")).close()
    try:
        yield store
    finally:
        store.server.shutdown()
        thread.join()
        store.server.server_close()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
