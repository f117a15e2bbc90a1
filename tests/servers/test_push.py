"""HTTP/2 push: nginx 1.22 pushes what is hinted, once, and leaves out what isn't meant.

The versions of nginx that push are Debian 12's and older; 1.25 dropped it. hypercorn
pushes by itself what `push()` is told, and nothing else.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from needs import needs, program
from ports import free_port
from servers.harness import BY_NAME, await_port, running, workplace
from servers.proxies import NGINX

pytestmark = needs("nginx", "nghttp", "openssl", "gunicorn")

HERE = Path(__file__).resolve().parent

NGINX_SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    http2_push_preload on;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
"""

CERTIFICATE = (
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-nodes", "-days", "1", "-subj", "/CN=localhost",
)  # fmt: skip


@dataclass
class Seen:
    """What nghttp saw of one page.

    pushed: the paths that were promised, in their order.
    cookies: what the page set, as a request sends it.
    """

    status: str
    pushed: list[str]
    cookies: str
    links: list[str]


def _certify(folder: Path) -> tuple[str, str]:
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        [program("openssl") or "", *CERTIFICATE, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return key, certificate


@pytest.fixture(scope="module")
def hypercorn() -> Iterator[str]:
    """The app under a server that speaks HTTP/2 and pushes."""
    port = free_port()
    paths = {"PYTHONPATH": f"{HERE.parents[1] / 'src'}:{HERE}"}
    with workplace() as folder:
        key, certificate = _certify(folder)
        command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}"]
        command += ["--keyfile", key, "--certfile", certificate, "pushing:asgi"]
        log = folder / "app.log"
        with running(command, folder, log, paths):
            await_port(port, log)
            yield f"https://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The app behind an nginx that speaks HTTP/2 and pushes."""
    port, upstream = free_port(), free_port()
    command = BY_NAME["gunicorn-gthread"].command(upstream, {})
    paths = {"PYTHONPATH": f"{HERE.parents[1] / 'src'}:{HERE}"}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(workplace())
        _certify(folder)
        block = NGINX_SERVER.format(folder=folder, port=port, upstream=upstream)
        conf = folder / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, servers=block))
        nginx = [program("nginx") or "", "-p", str(folder), "-e", "stderr"]
        log = folder / "app.log"
        command = [*command[:-1], "pushing:app"]
        stack.enter_context(running(command, folder, log, paths))
        await_port(upstream, log)
        log = folder / "nginx.log"
        stack.enter_context(running([*nginx, "-c", str(conf)], folder, log, {}))
        await_port(port, log)
        yield f"https://127.0.0.1:{port}"


def look(url: str, cookies: str = "") -> Seen:
    """Get a page, and tell what came with it."""
    own = ["-H", f"cookie: {cookies}"] if cookies else []
    run = subprocess.run(
        [program("nghttp") or "", "-nv", "--no-dep", *own, url],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    text = re.sub(r"\x1b\[[\d;]*m", "", run.stdout)
    # nghttp's requests have odd numbers; pushed responses come on even ones.
    headers = [
        (int(stream), name, value)
        for stream, name, value in re.findall(
            r"recv \(stream_id=(\d+)[^)]*\) (:?[\w-]+): (.*)", text
        )
    ]
    promises = len(re.findall(r"recv PUSH_PROMISE frame", text))
    pushed = [value for _, name, value in headers if name == ":path"]
    assert len(pushed) == promises, text
    # Each was sent, and not only promised.
    sent = [
        value for stream, name, value in headers if name == ":status" and not stream % 2
    ]
    assert sent == ["200"] * len(pushed), text
    page = [(name, value) for stream, name, value in headers if stream % 2]
    return Seen(
        status=dict(page)[":status"],
        pushed=pushed,
        cookies="; ".join(
            value.partition(";")[0] for name, value in page if name == "set-cookie"
        ),
        links=[value for name, value in page if name == "link"],
    )


def test_a_plain_response(origin: str) -> None:
    """One promise for each push(), none for `nopush` or another origin."""
    seen = look(f"{origin}/plain")
    assert seen.status == "200"
    assert seen.pushed == ["/files/a.css", "/files/b%20b.js"]
    assert "</files/c.woff2>" in seen.links[0]


def test_a_streamed_page(origin: str) -> None:
    """What its shell hints is pushed, by its path from the root; its slot is late."""
    seen = look(f"{origin}/page")
    assert (seen.status, seen.pushed) == ("200", ["/files/page.css"])


def test_a_stream_with_a_link_of_its_own(origin: str) -> None:
    """Both the view's link and the hint are pushed."""
    seen = look(f"{origin}/body")
    assert seen.status == "200"
    assert sorted(seen.pushed) == ["/files/a.css", "/files/own.css"]


@pytest.mark.parametrize("path", ["plain", "fire"])
def test_once_a_client(origin: str, path: str) -> None:
    """What was pushed isn't pushed again to whoever has the cookie."""
    first = look(f"{origin}/{path}")
    assert first.pushed != []
    assert first.cookies != ""
    again = look(f"{origin}/{path}", first.cookies)
    assert (again.status, again.pushed) == ("200", [])
    assert look(f"{origin}/{path}").pushed == first.pushed


def test_a_program_for_flask_firehose(origin: str) -> None:
    """Its push is one promise, and its `nopush` none."""
    assert look(f"{origin}/fire").pushed == ["/files/f.css"]


@needs("hypercorn")
def test_hypercorn_pushes(hypercorn: str) -> None:
    """What `push()` is told, once a client; a `preload()` stays a hint."""
    seen = look(f"{hypercorn}/plain")
    assert seen.status == "200"
    assert seen.pushed == ["/files/a.css", "/files/b%20b.js"]
    again = look(f"{hypercorn}/plain", seen.cookies)
    assert (again.status, again.pushed) == ("200", [])
    assert look(f"{hypercorn}/body").pushed == ["/files/a.css"]
    assert look(f"{hypercorn}/page").pushed == []
    assert look(f"{hypercorn}/fire").pushed == ["/files/f.css"]
