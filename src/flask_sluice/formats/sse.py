"""Server-sent events: one event as the bytes that a browser reads it from.

In: what an event says. Out: a block of `text/event-stream`, to the letter of the WHATWG
HTML standard, §9.2. It refuses to know who reads it, and whatever a browser would drop
or read as something else: such an event is an error where it is made.

A line ends at CRLF, CR or LF and at nothing else, so data is split there and only
there; U+2028 and its kin (`str.splitlines` splits at them, too) pass unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ArgumentError
from .jsontext import text as json_text
from .plain import REFUSALS, refusal

__all__ = ["ID_LIMIT", "Event", "as_event", "decode"]

ID_LIMIT = 128  # bytes; a longer id makes browsers ask for permission across origins

_LINE_END = re.compile("\r\n|\r|\n")
_FORBIDDEN = re.compile("[\r\n\0]")
# Safe across origins: fetch lets a Last-Event-ID of these through without a preflight.
_ID = re.compile(r"[0-9A-Za-z._-]*")


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event.

    :param data: text, as it is; bytes, as UTF-8; None for no data, which browsers
        keep to themselves; anything else is sent as JSON.
    :param event: the name that `addEventListener` knows it by; None is "message".
    :param id: what a browser that comes back says it has seen, of `0-9A-Za-z._-`;
        "" makes it forget the one it has.
    :param retry: milliseconds until a browser comes back, from now on; at least 1.
    :param comment: text that browsers skip, for whoever reads the stream by eye.
    :raises ArgumentError: a browser would drop it, or read something else.
    """

    data: object
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be said."""
        for name in ("event", "id", "comment"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ArgumentError(
                    f"An event's {name} is {value!r}, but expects text."
                )
        if self.event is not None and _FORBIDDEN.search(self.event):
            raise ArgumentError(
                f"An event's name can't hold CR, LF or NUL: {self.event!r}."
            )
        if self.id is not None and not _is_id(self.id):
            raise ArgumentError(
                f"An event's id is made of 0-9, A-Z, a-z, '.', '_' and '-', at most"
                f" {ID_LIMIT} of them, and not {self.id!r}."
            )
        # Never 0: a browser would come back at once, for ever.
        if self.retry is not None and not (type(self.retry) is int and self.retry > 0):
            raise ArgumentError(
                f"An event's retry is {self.retry!r}, but expects milliseconds, 1 or"
                " more."
            )
        if self.data is not None:
            return
        if self.event is not None:
            raise ArgumentError(
                f"The event {self.event!r} has no data, and browsers drop it: write"
                ' data="".'
            )
        if self.id is None and self.retry is None and self.comment is None:
            raise ArgumentError('An event without anything: write data="".')

    def encode(self) -> bytes:
        """Give its block, with the blank line that ends it.

        The id is the first line, if there is one.

        :raises ArgumentError: the data has no form in JSON, or none in UTF-8.
        """
        lines: list[str] = []
        if self.id is not None:
            lines.append(f"id: {self.id}" if self.id else "id")
        if self.comment is not None:
            lines += [f": {line}" for line in _lines(self.comment)]
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.data is not None:
            # A parser drops one space after the colon, so one is always put there.
            lines += [
                f"data: {line}" if line else "data:" for line in _lines(self.text())
            ]
        try:
            return "\n".join([*lines, "", ""]).encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"An event can't be sent: {refusal(error)}.") from None

    def text(self) -> str:
        """Give its data as the text that a script gets.

        :raises ArgumentError: it has no form in JSON, or isn't UTF-8.
        """
        data = self.data
        if type(data) is str:
            return data
        try:
            if isinstance(data, str):
                return str.__str__(data)
            if isinstance(data, (bytes, bytearray, memoryview)):
                return bytes(data).decode()
            return json_text(data)
        except REFUSALS as error:
            raise ArgumentError(
                f"An event's data can't be sent: {refusal(error)}."
            ) from error


def as_event(item: object) -> Event:
    """Give *item* itself if it is an event, else one that has it as its data."""
    return item if isinstance(item, Event) else Event(item)


def decode(block: bytes, *, is_json: bool = False) -> Event:
    """Read what `Event.encode` wrote.

    :param block: its bytes.
    :param is_json: its data was no text, and is to be what JSON keeps of it.
    """
    fields: dict[str, list[str]] = {}
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        # One space is the form's, any other the data's.
        fields.setdefault(name, []).append(value.removeprefix(" "))
    data: object = "\n".join(fields["data"]) if "data" in fields else None
    if is_json and data is not None:
        data = json.loads(str(data))
    comments = fields.get("", [])[:-2]  # the blank line that ends it is two of these
    return Event(
        data,
        event=fields.get("event", [None])[0],
        id=fields.get("id", [None])[0],
        retry=int(fields["retry"][0]) if "retry" in fields else None,
        comment="\n".join(comments) if comments else None,
    )


def _is_id(text: str) -> bool:
    return len(text) <= ID_LIMIT and _ID.fullmatch(text) is not None


def _lines(text: str) -> Iterator[str]:
    return iter(_LINE_END.split(text))
