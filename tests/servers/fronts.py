"""Proxies that speak TLS, HTTP/1.1 and HTTP/2 to clients: one table.

In: the upstream's port. Out: a port for each *route*, a way of configuring the proxy
that matters to a 103, and the certificate's path. It knows nothing of the app. (nginx,
whose two versions have to be told apart, is in `hinted`.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from needs import program
from ports import free_port
from servers.harness import await_port, running, workplace
from servers.interim import make_certificate

APACHE = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex posixsem
ErrorLog /dev/stderr
User www-data
Group www-data
{modules}
SSLSessionCache none
{servers}
"""

APACHE_MODULES = (
    "mpm_event", "authz_core", "ssl", "http2", "proxy", "proxy_http",
)  # fmt: skip

APACHE_SERVER = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  SSLCertificateFile {folder}/cert.pem
  SSLCertificateKeyFile {folder}/key.pem
  Protocols h2 http/1.1
  H2EarlyHints {route}
  ProxyPreserveHost On
  ProxyPass / http://127.0.0.1:{upstream}/
</VirtualHost>
"""

# Who asks an address and no name is answered as who asks for the certificate's.
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

HAPROXY = """
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend outside
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem alpn h2,http/1.1
  default_backend app
backend app
  server app 127.0.0.1:{upstream}
"""


def _apache(folder: Path, ports: dict[str, int], upstream: int) -> list[str]:
    modules = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in APACHE_MODULES
    )
    servers = "".join(
        APACHE_SERVER.format(folder=folder, port=port, route=route, upstream=upstream)
        for route, port in ports.items()
    )
    conf = folder / "apache.conf"
    conf.write_text(APACHE.format(folder=folder, modules=modules, servers=servers))
    return [program("apache2") or "", "-D", "FOREGROUND", "-f", str(conf)]


def _caddy(folder: Path, ports: dict[str, int], upstream: int) -> list[str]:
    (port,) = ports.values()
    conf = folder / "Caddyfile"
    conf.write_text(CADDYFILE.format(folder=folder, port=port, upstream=upstream))
    words = ["run", "--config", str(conf), "--adapter", "caddyfile"]
    return [program("caddy") or "", *words]


def _haproxy(folder: Path, ports: dict[str, int], upstream: int) -> list[str]:
    parts = [(folder / name).read_text() for name in ("cert.pem", "key.pem")]
    (folder / "both.pem").write_text("".join(parts))
    (port,) = ports.values()
    conf = folder / "haproxy.cfg"
    conf.write_text(HAPROXY.format(folder=folder, port=port, upstream=upstream))
    return [program("haproxy") or "", "-db", "-f", str(conf)]


@dataclass(frozen=True)
class Front:
    """A proxy: how it is run, and the ways in which it is configured."""

    command: Callable[[Path, dict[str, int], int], list[str]]
    routes: tuple[str, ...] = ("plain",)


FRONTS = {
    "apache2": Front(_apache, ("off", "on")),
    "caddy": Front(_caddy),
    "haproxy": Front(_haproxy),
}


@contextlib.contextmanager
def fronting(name: str, upstream: int) -> Iterator[tuple[dict[str, int], str]]:
    """Run one in front of *upstream*; give its routes' ports, and its certificate."""
    front = FRONTS[name]
    with workplace() as folder:
        _, certificate = make_certificate(folder)
        ports = {route: free_port() for route in front.routes}
        log = folder / "log"
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        with running(front.command(folder, ports, upstream), folder, log, home):
            for port in ports.values():
                await_port(port, log)
            yield ports, certificate
