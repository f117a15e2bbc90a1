"""Frames, whatever they are, as JPEG.

In: JPEG bytes, a Pillow image, or an array of pixels. Out: JPEG bytes, of the size and
quality that is wanted. Bytes that are JPEG already, and wanted as they are, pass
through untouched, and need no Pillow. Apart from `pattern`, which draws, this is the
only module that imports it.
"""

from __future__ import annotations

import io
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import BodyTypeError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["check_installed", "encoded", "shape"]

START = b"\xff\xd8"  # every JPEG's first two bytes

Size = tuple[int, int]


@cache
def is_installed() -> bool:
    """Tell whether there is a Pillow."""
    return find_spec("PIL") is not None


def check_installed(what: str) -> None:
    """Refuse *what*, unless there is a Pillow.

    :raises MissingExtraError: there is none.
    """
    if not is_installed():
        raise MissingExtraError(what, "video")


def encoded(frame: Any, size: Size | None, quality: int, *, untouched: bool) -> bytes:
    """Give *frame* as JPEG.

    :param size: width and height that it has to fit into; None: as it is. It isn't
        enlarged, and keeps its proportions.
    :param untouched: JPEG that is given is what is wanted.
    :raises BodyTypeError: it is no picture.
    :raises MissingExtraError: Pillow is needed, and there is none.
    """
    if isinstance(frame, (bytes, bytearray, memoryview)):
        data = bytes(frame)
        if data[:2] != START:
            raise BodyTypeError(
                f"A camera's source gave bytes that are no JPEG: {data[:8]!r}..."
            )
        if untouched:
            return data
        return _saved(_opened(data, size), size, quality)
    check_installed("A frame that isn't JPEG bytes")
    return _saved(_image_of(frame), size, quality)


def _opened(data: bytes, size: Size | None) -> Image:
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    if size is not None:
        # JPEG can be decoded at a half, a quarter or an eighth, which costs less.
        image.draft("RGB", size)
    return image


def _image_of(frame: Any) -> Image:
    from PIL import Image

    if isinstance(frame, Image.Image):
        return frame
    if hasattr(frame, "__array_interface__"):
        try:
            return Image.fromarray(frame)
        except (TypeError, ValueError, IndexError) as error:
            raise BodyTypeError(
                f"A camera's source gave an array of {getattr(frame, 'dtype', '?')} of"
                f" the shape {getattr(frame, 'shape', '?')}, but expects uint8 of"
                " (height, width, 3), red first, or (height, width)."
            ) from error
    raise BodyTypeError(
        f"A camera's source gave a {type(frame).__name__}, but expects JPEG bytes,"
        " a Pillow image or a NumPy array."
    )


def _saved(image: Image, size: Size | None, quality: int) -> bytes:
    from PIL import Image

    if image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    if size is not None:
        width, height = image.size
        scale = min(size[0] / width, size[1] / height)
        if scale < 1:
            smaller = max(1, round(width * scale)), max(1, round(height * scale))
            image = image.resize(smaller, Image.Resampling.BILINEAR, reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def shape(jpeg: bytes) -> Size | None:
    """Give a JPEG's width and height; None where nobody can tell. It never raises."""
    if not is_installed():
        return None
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            return image.size
    except Exception:  # noqa: BLE001 - a source's bytes may be anything
        return None
