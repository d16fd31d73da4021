"""A stub of the Hugging Face Hub's HTTP interface on loopback: datasets, commits and large files."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.stores import Quiet

TOKEN = "hf_test"


class Hub:
    """The server. Attributes may be changed while it runs."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        """Dataset -> path -> content."""
        self.private: dict[str, bool] = {}
        self.large: dict[str, bytes] = {}
        """sha256 -> content of the large files that were sent."""
        self.num_sent = 0
        """Large files that were sent."""
        self.fails_after: int | None = None
        """Refuses large files after so many."""
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self.server.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Leads huggingface_hub here, without Xet, whose protocol the stub does not have."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        content = request.get_data()
        known = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if not known and not request.path.startswith("/lfs/"):
            response = Response('{"error": "Invalid credentials"}', 401)
        else:
            response = self._route(request, content)
        return response(environ, start)

    def _route(self, request: Request, content: bytes) -> Response:
        path = request.path.strip("/").split("/")
        match path:
            case ["api", "validate-yaml"]:
                return _json({"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                return self._create(json.loads(content))
            case ["api", "datasets", user, name, "tree", *_]:
                return self._tree(f"{user}/{name}")
            case ["api", "datasets", _, _, "preupload", _]:
                return _json({"files": [_mode(one) for one in json.loads(content)["files"]]})
            case ["api", "datasets", user, name, "commit", _]:
                return self._commit(f"{user}/{name}", content)
            case ["datasets", _, _, "info", "lfs", "objects", "batch"]:
                return self._batch(json.loads(content))
            case ["lfs", digest]:
                return self._large(digest, content)
        return Response(f'{{"error": "no such page: {request.path}"}}', 404)

    def _create(self, wanted: dict[str, Any]) -> Response:
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        assert wanted["type"] == "dataset"
        if name in self.files:
            return _json(
                {"error": "You already created this dataset repo", "url": self._url(name)}, 409
            )
        self.files[name], self.private[name] = {}, wanted["visibility"] == "private"
        return _json({"url": self._url(name)})

    def _url(self, name: str) -> str:
        return f"{self.url}/datasets/{name}"

    def _tree(self, name: str) -> Response:
        files = self.files[name].items()
        return _json([{"type": "file", "path": p, "size": len(c), "oid": "0"} for p, c in files])

    def _commit(self, name: str, content: bytes) -> Response:
        files = dict(self.files[name])
        for line in content.decode().splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        self.files[name] = files
        return _json({"commitUrl": f"{self._url(name)}/commit/1", "commitOid": "1", "success": True})

    def _batch(self, wanted: dict[str, Any]) -> Response:
        objects = []
        for one in wanted["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.large:
                entry["actions"] = {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}
            objects.append(entry)
        return _json({"transfer": "basic", "objects": objects})

    def _large(self, digest: str, content: bytes) -> Response:
        if self.fails_after is not None and self.num_sent >= self.fails_after:
            return Response("no", 403)
        assert hashlib.sha256(content).hexdigest() == digest
        self.large[digest] = content
        self.num_sent += 1
        return Response()


def _mode(file: dict[str, Any]) -> dict[str, Any]:
    """As the Hub decides by a repository's .gitattributes."""
    mode = "lfs" if file["path"].endswith(".parquet") else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Starts the server."""
    hub = Hub()
    thread = Thread(target=hub.server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        thread.join()
        hub.server.server_close()
