"""Stands in for a Kubernetes cluster: its API on loopback, and one node, on which each pod of an executor is a process here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIELDS = {"status.podIP": "127.0.0.1", "status.hostIP": "127.0.0.1"}
VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update"}


class Cluster(ThreadingHTTPServer):
    """Keeps what it is asked for: ``objects`` as they were made, and ``uses``, each verb with the kind that it was used on."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.folder, self.lock, self.over = folder, Lock(), Event()
        self.objects: list[dict[str, Any]] = []
        self.uses: set[tuple[str, str]] = set()
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def master(self) -> str:
        return f"k8s://http://127.0.0.1:{self.server_address[1]}"

    def named(self, kind: str, name: str) -> dict[str, Any] | None:
        with self.lock:
            found = [each for each in self.objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
        return found[0] if found else None

    def listed(self, kind: str, fields: str, labels: str) -> list[dict[str, Any]]:
        """Those of a name, if one is selected, and of the labels: a driver gives up executors whose pods are not listed."""
        name = fields.removeprefix("metadata.name=")
        wanted = {pair for pair in labels.split(",") if "=" in pair and "!=" not in pair}
        with self.lock:
            return [
                each
                for each in self.objects
                if each["kind"] == kind
                and name in ("", each["metadata"]["name"])
                and wanted <= {f"{label}={value}" for label, value in each["metadata"].get("labels", {}).items()}
            ]

    def make(self, made: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.objects.append(made)
        if made["kind"] == "Pod" and made["metadata"]["labels"].get("spark-role") == "executor":
            self.start(made)
            made["status"] = {"phase": "Running"}
        return made

    def start(self, pod: dict[str, Any]) -> None:
        """Run the pod's container by the image's entry point."""
        (container,) = pod["spec"]["containers"]
        fields = FIELDS | {"metadata.name": pod["metadata"]["name"]}
        told = {
            each["name"]: each.get("value")
            or fields.get(each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath"), "")
            for each in container["env"]
        }
        command = [sys.executable, "-m", "infra.kubernetes.container", *container["args"]]
        folder = self.folder / pod["metadata"]["name"]
        folder.mkdir()
        environment = os.environ | told | {"SPARK_LOCAL_DIRS": str(folder)}
        with (folder / "log").open("wb") as log:
            self.processes.append(subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log))

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Serves while the block runs; no pod outlives it."""
        Thread(target=self.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.over.set()
            self.shutdown()
            self.server_close()
            for process in self.processes:
                process.kill()
                process.wait()


class Api(BaseHTTPRequestHandler):
    """What Spark's client asks, by the conventions of Kubernetes' API."""

    server: Cluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, name = self.asked()
        query = parse_qs(urlsplit(self.path).query)
        if "watch" in query:
            self.uses("watch", kind)
            self.watch()
        elif name:
            self.uses("get", kind)
            found = self.server.named(KINDS[kind], name)
            self.answer(found or {"kind": "Status", "status": "Failure", "code": 404}, status=200 if found else 404)
        else:
            self.uses("list", kind)
            fields, labels = (query.get(f"{which}Selector", [""])[0] for which in ("field", "label"))
            head = {"kind": f"{KINDS[kind]}List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}
            self.answer(head | {"items": self.server.listed(KINDS[kind], fields, labels)})

    def do_POST(self) -> None:
        self.uses(VERBS[self.command], self.asked()[0])
        made = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        made["metadata"] |= {"uid": "1", "namespace": "emberline"}
        self.answer(self.server.make(made), status=201)

    do_PATCH = do_PUT = do_POST

    def do_DELETE(self) -> None:
        kind, name = self.asked()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.uses("delete" if name else "deletecollection", kind)
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def asked(self) -> tuple[str, str]:
        """The kind, as in a role, and the name if there is one."""
        _, kind, *name = urlsplit(self.path).path.partition("/namespaces/")[2].split("/")
        return kind, "/".join(name)

    def uses(self, verb: str, kind: str) -> None:
        with self.server.lock:
            self.server.uses.add((verb, kind))

    def watch(self) -> None:
        """Nothing happens to what is watched; by a web socket, it cannot be."""
        if "Upgrade" in self.headers:
            return self.answer({}, status=503)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.server.over.wait()

    def answer(self, body: dict[str, Any], *, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


KINDS = {
    "pods": "Pod",
    "configmaps": "ConfigMap",
    "services": "Service",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}
