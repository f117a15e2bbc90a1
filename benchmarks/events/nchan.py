"""nchan, the C module of nginx, as Debian has it: `python -m ... PORT`.

It publishes what is posted to `/post`. The benchmark posts, so nchan's figures have the
cost of a request for each event, as they would have behind any app, and not that of the
client.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
CONFIG = """\
load_module {module};
worker_processes 1;
daemon off;
user root;
pid {folder}/pid;
error_log stderr warn;
worker_rlimit_nofile 19000;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1;
  proxy_temp_path {folder}/2;
  fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4;
  scgi_temp_path {folder}/5;
  nchan_shared_memory_size 256m;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /ping {{ return 200 pong; }}
    location = /events {{
      nchan_subscriber eventsource;
      nchan_channel_id ticks;
      nchan_eventsource_ping_interval 15;
    }}
    location = /post {{
      nchan_publisher;
      nchan_channel_id ticks;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 5m;
    }}
  }}
}}
"""


def is_installed() -> bool:
    """Whether there is the module, and an nginx for it."""
    return Path(MODULE).exists() and _nginx() is not None


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


if __name__ == "__main__":
    folder = tempfile.mkdtemp(prefix="bench-nchan-")
    config = Path(folder, "nginx.conf")
    config.write_text(
        CONFIG.format(module=MODULE, folder=folder, port=int(sys.argv[1]))
    )
    binary = _nginx() or "nginx"
    os.execv(binary, [binary, "-p", folder, "-c", str(config)])
