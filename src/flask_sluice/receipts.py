"""Receipts: what became of an export, for whoever asked for it.

In: the numbers of exports that run in this process. Out: `GET /sluice/receipts/<id>`,
from any process of this machine: a receipt is a small file in a folder that the
workers share, written now and then, so it tells of the progress, too. Where a cut
can't be seen, such as behind a hop of HTTP/1.0, it is what tells the truth.

An id can't be guessed, and is signed, so that a page can be given one before its
export begins (`new_receipt`). A receipt is shown to the client that made it (the same
address and user agent), and to whoever has a signed link (`receipt_url`).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from functools import partial
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, url_for
from flask import request as flask_request

from .errors import ArgumentError, ReceiptError
from .exports.tally import Tally
from .folder import has_made, own_folder
from .state import state_of

__all__ = ["HEADER", "blueprint", "new_receipt", "receipt_url"]

HEADER = "Sluice-Receipt"

_ID = re.compile(r"[\w-]{16}\.[\w-]{16}", re.ASCII)
KEEP = 24 * 3600  # seconds that a receipt is kept
SWEEP = 3600  # seconds between two looks for old ones

blueprint = Blueprint("sluice_receipts", __name__, url_prefix="/sluice/receipts")
"""Mount it: `app.register_blueprint(receipts.blueprint)`."""


def new_receipt() -> str:
    """Make an id for an export that is about to be asked for.

    Give it to the page that asks, which hands it to the view of the export, and that
    to `stream_rows(receipt=...)`.
    """
    name = secrets.token_urlsafe(12)
    return f"{name}.{_mark(name, 'id')}"


def receipt_url(receipt: str, **values: Any) -> str:
    """Give a signed link to a receipt, for any client.

    :param values: for `url_for`, such as `_external=True`.
    """
    return url_for(
        "sluice_receipts.show", receipt=receipt, key=_mark(receipt, "link"), **values
    )


@blueprint.get("/<receipt>")
def show(receipt: str) -> Response:
    """Answer with a receipt as JSON; 404 for any that isn't this client's.

    204 for an id of `new_receipt()` whose export hasn't begun.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if not _is_ours(receipt):
        abort(404)
    path = _path(app, receipt)
    try:
        record = json.loads(path.read_text())
        # One that runs and isn't written any more has lost its process, or its reader
        # has stopped reading.
        record["age"] = round(max(0.0, time.time() - path.stat().st_mtime), 3)
    except FileNotFoundError:
        return Response(status=204)
    key = flask_request.args.get("key", "")
    is_own = hmac.compare_digest(record.pop("client"), _client())
    if not is_own and not hmac.compare_digest(
        key.encode(), _mark(receipt, "link").encode()
    ):
        abort(404)
    response = jsonify(record)
    response.headers["Cache-Control"] = "no-store"
    return response


def opened(receipt: str | None, filename: str | None) -> tuple[str, Any]:
    """Begin a receipt; give its id and what a `Tally` tells of itself.

    A client that tries once more may use the id again.

    :raises ReceiptError: it isn't one of `new_receipt`'s, or is another client's.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    client = _client()
    if receipt is None:
        receipt = new_receipt()
    elif not (_is_ours(receipt) and _may_write(_path(app, receipt), client)):
        raise ReceiptError(
            "receipt isn't an id that new_receipt() has made, or another client's."
        )
    known = {"id": receipt, "filename": filename, "client": client}
    return receipt, partial(_write, _path(app, receipt), known)


def _is_ours(receipt: str) -> bool:
    name, _, mark = receipt.partition(".")
    fits = _ID.fullmatch(receipt) is not None
    return fits and hmac.compare_digest(mark.encode(), _mark(name, "id").encode())


def _may_write(path: Path, client: str) -> bool:
    try:
        owner: str = json.loads(path.read_text())["client"]
    except FileNotFoundError:
        return True
    return hmac.compare_digest(owner, client)


def _write(path: Path, known: dict[str, Any], tally: Tally) -> None:
    # Written beside it and moved: a reader sees the old one or the new one.
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({**known, **tally.report()}))
    beside.replace(path)


def _path(app: Flask, receipt: str) -> Path:
    return _folder(app) / f"{receipt}.json"


def _folder(app: Flask) -> Path:
    given = state_of(app).settings.receipts
    if given is not None:
        folder = Path(given)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        folder = own_folder(app.import_name, app.instance_path)
        if not has_made(folder):
            raise ArgumentError(
                f"The receipts' folder {folder} is somebody else's: set"
                " SLUICE_RECEIPTS."
            )
    _sweep(folder)
    return folder


def _sweep(folder: Path) -> None:
    stamp = folder / ".swept"
    now = time.time()
    with contextlib.suppress(FileNotFoundError):
        if now - stamp.stat().st_mtime < SWEEP:
            return
    stamp.touch()
    for path in [*folder.glob("*.json"), *folder.glob("*.new")]:
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime > KEEP:
                path.unlink()


def _client() -> str:
    agent = flask_request.headers.get("User-Agent", "")
    return _mark(f"{flask_request.remote_addr} {agent}", "client")


def _mark(text: str, purpose: str) -> str:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    key = app.secret_key or _kept_key(_folder(app) / ".key")
    if isinstance(key, str):
        key = key.encode()
    made = hmac.new(key, f"flask-sluice {purpose} {text}".encode(), hashlib.sha256)
    return made.hexdigest()[:16]


def _kept_key(path: Path) -> bytes:
    # For an app without a secret key: one that all of its workers find.
    beside = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    beside.write_bytes(secrets.token_bytes(32))
    with contextlib.suppress(FileExistsError):
        os.link(beside, path)  # the first one to come counts
    beside.unlink()
    return path.read_bytes()
