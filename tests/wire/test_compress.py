"""Content codings: the right one, decodable at once, and whole only if it is."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

import flask_sluice
from flask_sluice.wire import brotli as our_brotli
from flask_sluice.wire import isal as our_isal
from flask_sluice.wire import zstd as our_zstd
from flask_sluice.wire.compress import (
    CODINGS,
    Gzip,
    available,
    compressible,
    compressor,
    negotiate,
)
from flask_sluice.wire.pipeline import Pipeline

BEST = "zstd"


class Gunzip:
    """Judge: zlib's decoder."""

    def __init__(self) -> None:
        self._z = zlib.decompressobj(31)

    def feed(self, data: bytes) -> bytes:
        return self._z.decompress(data)

    def is_over(self) -> bool:
        return self._z.eof


class Unzstd:
    """Judge: zstandard's decoder."""

    def __init__(self) -> None:
        self._z = zstandard.ZstdDecompressor().decompressobj()

    def feed(self, data: bytes) -> bytes:
        return self._z.decompress(data)

    def is_over(self) -> bool:
        return self._z.eof


class Unbrotli:
    """Judge: brotli's decoder."""

    def __init__(self) -> None:
        self._z = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        # In small pieces: brotli 1.2.1 gives no more than 32 KiB for one call.
        pieces = (data[start : start + 64] for start in range(0, len(data), 64))
        return b"".join(self._z.process(piece) for piece in pieces)

    def is_over(self) -> bool:
        return bool(self._z.is_finished())


CODECS: list[Any] = [
    pytest.param(Gzip, Gunzip, id="zlib"),
    pytest.param(our_isal.Codec, Gunzip, id="isal"),
    pytest.param(our_zstd.Codec, Unzstd, id="zstd"),
    pytest.param(our_brotli.Codec, Unbrotli, id="brotli"),
]
JUDGES = {"gzip": Gunzip, "zstd": Unzstd, "br": Unbrotli}
CHUNKS = st.lists(st.binary(min_size=1, max_size=400), max_size=8)


@pytest.mark.parametrize(("make", "judge"), CODECS)
@settings(deadline=None, max_examples=60)
@given(chunks=CHUNKS)
def test_each_flushed_chunk_is_readable_on_arrival(
    make: Callable[[], Any], judge: Callable[[], Any], chunks: list[bytes]
) -> None:
    """Another decoder gives each chunk back as soon as it has its bytes."""
    codec, decoder = make(), judge()
    for chunk in chunks:
        assert decoder.feed(codec.compress(chunk) + codec.flush()) == chunk
        assert not decoder.is_over()
    assert decoder.feed(codec.finish()) == b""
    assert decoder.is_over()


@pytest.mark.parametrize(("make", "judge"), CODECS)
def test_big_chunks_come_back_too(
    make: Callable[[], Any], judge: Callable[[], Any]
) -> None:
    """Chunks beyond every window are whole, and text gets smaller."""
    codec, decoder = make(), judge()
    chunk = b"".join(b"%d,ORD,JFK\n" % n for n in range(100_000))
    wire = codec.compress(chunk) + codec.flush()
    assert decoder.feed(wire) == chunk
    assert len(wire) < len(chunk) / 2


@pytest.mark.parametrize("coding", CODINGS)
def test_a_failed_body_has_no_end(coding: str) -> None:
    """Without `finish` the decoder has all the bytes and still waits for the end."""
    pipeline, decoder = Pipeline(coding), JUDGES[coding]()
    assert decoder.feed(pipeline.push(b"some rows")) == b"some rows"
    assert not decoder.is_over()
    assert decoder.feed(pipeline.finish()) == b""
    assert decoder.is_over()


def test_a_pipeline_without_coding_is_a_pipe() -> None:
    """The very same bytes object comes out, and no end."""
    pipeline, data = Pipeline(), b"as it is"
    assert pipeline.push(data) is data
    assert pipeline.finish() == b""


@pytest.mark.parametrize("coding", CODINGS)
def test_no_bytes_make_none(coding: str) -> None:
    """An edge with nothing before it doesn't cost a block."""
    assert Pipeline(coding).push(b"") == b""


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("   ", None),
        (",,,", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        (" gzip , deflate ", "gzip"),
        ("deflate", None),
        ("deflate, compress", None),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br;q=0.9, zstd;q=0.8", "gzip"),
        ("gzip;q=0.2, br;q=0.9", "br"),
        ("gzip; q=0.2 , br; q=0.9", "br"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=1.000", "gzip"),
        ("*", BEST),
        ("*;q=0", None),
        ("*;q=0.1", BEST),
        ("gzip, *;q=0", "gzip"),
        ("zstd;q=0, *", "br"),
        ("zstd;q=0, br;q=0, *;q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("x-gzip;q=0.5, br;q=0.1", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=1", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip;q=nan", None),
        ("gzip;q=inf", None),
        ("gzip;q=-1", None),
        ("gzip;q=2", None),
        ("gzip;q=", None),
        ("gzip;q=high", None),
        ("gzip;q", None),
        ("gzip;level=9", "gzip"),
        ("gzip;level=9;q=0", None),
        ("gzip;=;;", "gzip"),
        ("zstd;q=x, gzip", "gzip"),
        ("\x00", None),
        ("é", None),
    ],
)
def test_the_client_is_asked(header: str, expected: str | None) -> None:
    """q-values decide, ours breaks ties, and nonsense is nobody's wish."""
    assert negotiate(header) == expected


NAMES = st.sampled_from(["gzip", "br", "zstd", "deflate", "identity", "*"])
QUALITIES = st.sampled_from(["", ";q=0", ";q=0.1", ";q=0.50", ";q=0.999", ";q=1"])


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(NAMES, QUALITIES))
def test_werkzeug_agrees(wishes: dict[str, str]) -> None:
    """By Werkzeug's reading of a sane header nothing that we can do is liked better."""
    header = ", ".join(name + quality for name, quality in wishes.items())
    accept = parse_accept_header(header, Accept)
    likings = {name: accept.quality(name) for name in available()}
    identity = accept.quality("identity") if "identity" in wishes else 0
    chosen = negotiate(header)
    if chosen is None:
        assert max(likings.values()) <= identity
    else:
        assert likings[chosen] == max(likings.values()) > 0
        assert likings[chosen] >= identity


@given(st.text())
def test_no_header_breaks_it(header: str) -> None:
    """Whatever a client sends, the answer is a coding that we have, or none."""
    assert negotiate(header) in {None, *CODINGS}


@pytest.mark.parametrize(
    ("mimetype", "expected"),
    [
        ("text/html", True),
        ("TEXT/CSV; charset=utf-8", True),
        ("text/event-stream", True),
        ("application/json", True),
        ("application/x-ndjson", True),
        ("application/problem+json", True),
        ("application/atom+xml", True),
        ("image/svg+xml", True),
        ("application/octet-stream", None),
        ("application/pdf", None),
        ("", None),
        ("image/png", False),
        ("image/jpeg", False),
        ("video/mp4", False),
        ("audio/ogg", False),
        ("font/woff2", False),
        ("application/zip", False),
        ("application/gzip", False),
        ("application/zstd", False),
        ("application/vnd.apache.parquet", False),
        ("multipart/x-mixed-replace; boundary=x", False),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            False,
        ),
    ],
)
def test_what_is_compressed_already_is_known(
    mimetype: str, expected: bool | None
) -> None:
    """Text yes, pictures and archives no, anything else not by itself."""
    assert compressible(mimetype) is expected


def test_a_coding_that_is_not_there_is_an_error() -> None:
    """Only what `negotiate` gave can be made."""
    with pytest.raises(LookupError):
        compressor("deflate")


BLOCKED = """
import sys
for name in ("isal", "zstandard", "brotli"):
    sys.modules[name] = None
from flask_sluice.wire.compress import Gzip, available, compressor, negotiate
assert list(available()) == ["gzip"], available()
assert negotiate("zstd, br, gzip;q=0.1") == "gzip"
z = compressor("gzip")
assert type(z) is Gzip, z
import zlib
wire = z.compress(b"rows") + z.flush() + z.finish()
d = zlib.decompressobj(31)
assert d.decompress(wire) == b"rows" and d.eof
"""


def test_gzip_needs_no_extra() -> None:
    """Without the optional packages zlib does it, and only gzip is done."""
    source = Path(flask_sluice.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", BLOCKED],
        env={**os.environ, "PYTHONPATH": str(source)},
        check=True,
        timeout=30,
    )


def test_isal_does_gzip_where_it_is_there() -> None:
    """The quick one is preferred."""
    assert type(compressor("gzip")) is our_isal.Codec
