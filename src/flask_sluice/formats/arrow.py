"""Arrow IPC stream (application/vnd.apache.arrow.stream): typed batches as they come.

In: batches of tuples, or what is columnar already. Out: the schema, a record batch for
each of them, and the end-of-stream mark, which a failed body doesn't have. It refuses
to know how types are found; see `tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .column import Column
from .pyarrow import open_stream
from .sink import Sink
from .tables import Tabulator

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowEncoder"]


class ArrowEncoder:
    """Encode rows for one body.

    Without a schema, and where the columns don't say what they hold, the first 1,024
    rows wait until the schema can be told from them: no byte comes before that.

    :param columns: the columns; no two may have the same label.
    :param schema: a `pyarrow.Schema` with exactly these columns.
    """

    def __init__(
        self, columns: Sequence[Column], *, schema: pa.Schema | None = None
    ) -> None:
        self._rows = Tabulator(columns, schema)
        self._sink = Sink()
        self._writer: Any = None

    def begin(self) -> bytes:
        """Give what stands before the first row: nothing; the schema goes with it."""
        return b""

    def encode(self, batch: list[tuple[object, ...]]) -> bytes:
        """Give *batch* as a record batch, or nothing while the schema isn't known.

        :raises CellError: a value doesn't fit; nothing of the batch is taken.
        """
        self._write(self._rows.take(batch))
        return self._sink.take()

    def encode_table(self, batch: pa.RecordBatch | pa.Table) -> bytes:
        """Give the rows of a record batch or table, which has the same columns.

        The first one brings the schema if there was none and no row has come yet.
        """
        if self._rows.rows:
            self._write(self._rows.settle())
        self._write(self._rows.adopt(batch))
        return self._sink.take()

    def finish(self) -> bytes:
        """Give the rows that waited, and the end-of-stream mark."""
        self._write(self._rows.settle())
        self._open()
        self._writer.close()
        return self._sink.take()

    def _write(self, batch: pa.RecordBatch | pa.Table | None) -> None:
        if batch is not None:
            self._open()
            self._writer.write(batch)

    def _open(self) -> None:
        if self._writer is None:
            self._writer = open_stream(self._sink, self._rows.schema)
