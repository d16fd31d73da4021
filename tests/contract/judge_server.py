"""A judge's server on loopback: it speaks the chat protocol and knows the sample's own answers."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def judge_server(right: Sequence[str], wrong: Sequence[str]) -> Iterator[str]:
    """Its address. It passes the responses in `right`, fails those in `wrong`, and knows no others."""

    class Judge(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = "\n".join(message["content"] for message in body["messages"])
            line = re.search(r"VERDICT-\w+: ", asked)
            assert line is not None
            reply = json.dumps({"choices": [{"message": {"content": line[0] + opinion(asked)}}]})
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    def opinion(asked: str) -> str:
        written = asked.split("This is what the student wrote:")[-1]
        lines = {line.strip() for line in written.splitlines()}
        return "PASS" if lines & set(right) else "FAIL" if lines & set(wrong) else "ABSTAIN"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
