"""A hub of a few small repositories on this machine, in the part of its protocol that looking up and streaming need."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

SHA = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve_hub(models: list[str], datasets: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Serves model ids and dataset ids with their files (name -> text) until the block ends; gives the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._answer(self.rfile.read(length).decode())

        def _answer(self, body: str = "") -> None:
            parts = [unquote(part) for part in urlparse(self.path).path.strip("/").split("/")]
            match parts:
                case ["api", "models", owner, name, *_] if f"{owner}/{name}" in models:
                    self._json({"id": f"{owner}/{name}", "modelId": f"{owner}/{name}", "sha": SHA, "siblings": []})
                case ["api", "datasets", owner, name, *rest] if f"{owner}/{name}" in datasets:
                    self._dataset(f"{owner}/{name}", rest, body)
                case ["datasets", owner, name, "resolve", _, *path] if f"{owner}/{name}" in datasets:
                    self._file(datasets[f"{owner}/{name}"].get("/".join(path)))
                case _:
                    self._missing("RepoNotFound")

        def _dataset(self, repo: str, rest: list[str], body: str) -> None:
            files = datasets[repo]
            if rest and rest[0] == "revision" and rest[1] not in ("main", SHA):
                self._missing("RevisionNotFound")
            elif rest and rest[0] == "tree":
                self._json([_entry(name, text) for name, text in files.items()])
            elif rest and rest[0] == "paths-info":
                asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
                self._json([_entry(name, files[name]) for name in asked if name in files])
            else:
                siblings = [{"rfilename": name} for name in files]
                card = {"license": "mit"}
                self._json(
                    {"id": repo, "sha": SHA, "siblings": siblings, "cardData": card, "tags": [], "private": False}
                )

        def _json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _file(self, text: str | None) -> None:
            if text is None:
                self._missing("EntryNotFound")
                return
            data, first, status = text.encode(), 0, 200
            headers = {"ETag": f'"{len(data)}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
            asked = self.headers.get("Range")
            if asked:
                start, _, end = asked.removeprefix("bytes=").partition("-")
                first, status = int(start), 206
                last = min(int(end or len(data)), len(data) - 1)
                headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
                data = data[first : last + 1]
            self._send(status, data, headers)

        def _missing(self, code: str) -> None:
            self._send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

        def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # a client that has seen enough rows hangs up

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _entry(name: str, text: str) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(text.encode()), "oid": f"{len(text):040x}"}
