"""Every error that Flask-Sluice raises, as one tree.

::

    SluiceError
    ├── UsageError (RuntimeError)            the extension is used in the wrong place
    │   ├── NotInitializedError              no Sluice for this app
    │   ├── AlreadyInitializedError          init_app a second time
    │   └── OutsideRequestError              no request is being handled
    ├── ConfigError (ValueError)             a SLUICE_* value that can't be used
    ├── ArgumentError (ValueError)           an argument of stream() and friends
    │   ├── HeaderError                      CR, LF or the like in a header's value
    │   └── ReceiptError (400)               a receipt's id that isn't this client's
    ├── BodyTypeError (TypeError)            the body, or an item, isn't text or bytes
    ├── FellBehindError (RuntimeError)       a client too slow for a feed's history
    ├── DeferredError                        a deferred function gave no value
    │   ├── DeferredTimeoutError (TimeoutError)   it took longer than its timeout
    │   └── DeferredDroppedError (RuntimeError)   its client left before it had begun
    ├── SlotError (ValueError)               a slot's HTML, or its place, can't be used
    ├── CellError (ValueError)               a value that a format can't hold
    ├── ExportTooLargeError (413)            more rows or bytes than an export may have
    ├── UnknownFormatError (400)             ?format= asks for what there isn't
    ├── UnacceptableFormatError (406)        Accept has none of the formats
    ├── MissingExtraError (ImportError)      a package isn't installed
    ├── BrokerError (ConnectionError)        the broker is away, or refuses
    ├── CommittedError (RuntimeError)        too late: the first byte is on its way
    ├── TooManyStreamsError (503)            SLUICE_MAX_STREAMS or _PER_CLIENT reached
    ├── TooManyVariantsError (503)           a camera in more sizes than it may have
    ├── NoSignalError (503)                  a camera that gives no picture
    └── TransferCut (ConnectionResetError)   tells the server to cut the transfer
        ├── StreamFailed                     the body raised, and was logged
        ├── StreamExpired                    the deadline passed
        └── ClientLeft                       nobody is there any more

Each class inherits the built-in that fits, so `except ValueError` still works.
"""

from __future__ import annotations

import errno

from werkzeug.exceptions import (
    BadRequest,
    NotAcceptable,
    RequestEntityTooLarge,
    ServiceUnavailable,
)

__all__ = [
    "AlreadyInitializedError",
    "ArgumentError",
    "BodyTypeError",
    "BrokerError",
    "CellError",
    "ClientLeft",
    "CommittedError",
    "ConfigError",
    "DeferredDroppedError",
    "DeferredError",
    "DeferredTimeoutError",
    "ExportTooLargeError",
    "FellBehindError",
    "HeaderError",
    "MissingExtraError",
    "NoSignalError",
    "NotInitializedError",
    "OutsideRequestError",
    "ReceiptError",
    "SlotError",
    "SluiceError",
    "StreamExpired",
    "StreamFailed",
    "TooManyStreamsError",
    "TooManyVariantsError",
    "TransferCut",
    "UnacceptableFormatError",
    "UnknownFormatError",
    "UsageError",
]


class SluiceError(Exception):
    """The root of the tree. Never raised itself."""


class UsageError(SluiceError, RuntimeError):
    """The extension is used in the wrong place or at the wrong time."""


class NotInitializedError(UsageError):
    """The current app has no `Sluice`."""

    def __init__(self) -> None:
        super().__init__(
            "This app has no Flask-Sluice. Write sluice = Sluice(app), or call"
            " sluice.init_app(app) in your app factory."
        )


class AlreadyInitializedError(UsageError):
    """`init_app` was called for an app that has a `Sluice` already."""

    def __init__(self, app_name: str) -> None:
        super().__init__(
            f"The app {app_name!r} has a Sluice already: call init_app once, and"
            ' find it again as app.extensions["sluice"].'
        )


class OutsideRequestError(UsageError):
    """Something that belongs to a request was used while none is handled."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} works while a request is handled: call it in a view or in the"
            " body of a stream."
        )


class ConfigError(SluiceError, ValueError):
    """A `SLUICE_*` value that can't be used. The message names the key."""


class ArgumentError(SluiceError, ValueError):
    """An argument that can't be used. The message names it."""


class HeaderError(ArgumentError):
    """A value with CR, LF or another control character was meant for a header.

    RFC 9110 §5.5 allows none of them; letting one through would let a user's input
    write headers, or a second response, of its own.
    """

    def __init__(self, name: str, value: str) -> None:
        super().__init__(
            f"{name} holds a control character, which no header may: {value!r}."
            " Strip it where the value comes from."
        )


class BodyTypeError(SluiceError, TypeError):
    """The body, or an item that it yielded, is neither text nor bytes."""


class FellBehindError(SluiceError, RuntimeError):
    """A client was so slow that what it should get next is no longer kept.

    Its stream fails, so that it knows and can come back; nothing is left out.
    """

    def __init__(self, behind: int, kept: int) -> None:
        super().__init__(f"The client is {behind} items behind; {kept} are kept.")


class DeferredError(SluiceError):
    """A deferred function gave no value, and didn't raise either."""


class DeferredTimeoutError(DeferredError, TimeoutError):
    """A deferred function took longer than its `timeout`.

    It isn't interrupted, because Python can't be, but told: in it
    `sluice.client_gone()` is true from now on, and its `on_leave` callbacks run.

    :ivar seconds: the timeout.
    """

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"{name} took longer than its timeout of {seconds:g} s.")
        self.seconds = seconds


class DeferredDroppedError(DeferredError, RuntimeError):
    """A deferred function wasn't begun, because its client had left by then."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was dropped: the client left before it began.")


class SlotError(SluiceError, ValueError):
    """A slot can't be filled, because of its HTML or of the place where it stands.

    HTML that leaves an element such as `textarea` or `template` open would swallow
    the slots after it, so it isn't sent. A slot inside a `title`, an attribute, a
    script or a comment is no slot to a browser: let the tag enclose the element.
    """


class CellError(SluiceError, ValueError):
    """A value that a format can't hold.

    :ivar row: which row, counted from 1.
    :ivar column: the column's label; "" where the whole row is meant.
    :ivar why: a clause that says what is wrong with it.
    """

    def __init__(self, row: int, column: str, why: str) -> None:
        place = f"Row {row}, column {column!r}" if column else f"Row {row}"
        super().__init__(f"{place}: {why}.")
        self.row = row
        self.column = column
        self.why = why


class BrokerError(SluiceError, ConnectionError):
    """The broker at `SLUICE_BROKER_URL` is away, or refuses.

    What was to be published may not have been. Streams that are open aren't harmed.

    :ivar where: the broker's URL, without a password.
    """

    def __init__(self, where: str, cause: BaseException) -> None:
        super().__init__(
            f"The broker {where} can't be used:"
            f" {str(cause).rstrip('.') or type(cause).__name__}."
        )
        self.where = where


class CommittedError(SluiceError, RuntimeError):
    """A header, the status or the session was changed after the first byte.

    The client has the headers by then, so the change could only be lost. Make it
    before `stream()` returns, or before the body's first `yield`.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} can't be changed any more: the response's first byte is on its"
            " way. Do it in the view, or before the body's first yield."
        )


class TooManyStreamsError(SluiceError, ServiceUnavailable):
    """A limit on open streams is reached: answered as 503 with `Retry-After`.

    :ivar limit: how many streams are allowed.
    :ivar per_client: True when the limit is the one for a single client.
    """

    def __init__(self, limit: int, *, per_client: bool, retry_after: int) -> None:
        whose = "for one client" if per_client else "in this process"
        ServiceUnavailable.__init__(
            self,
            f"The limit of {limit} open streams {whose} is reached.",
            retry_after=retry_after,
        )
        self.limit = limit
        self.per_client = per_client


class TooManyVariantsError(SluiceError, ServiceUnavailable):
    """A camera is watched in too many sizes and qualities at once: 503.

    Each is encoded for itself, so a view gives its clients a few to choose from.

    :ivar limit: how many a camera may have.
    """

    def __init__(self, name: str, limit: int, retry_after: int) -> None:
        ServiceUnavailable.__init__(
            self,
            f"The camera {name!r} is watched in {limit} sizes and qualities, and may"
            " have no more at once. Let the view choose among a few.",
            retry_after=retry_after,
        )
        self.limit = limit


class NoSignalError(SluiceError, ServiceUnavailable):
    """A camera has no picture to give: 503 with `Retry-After`.

    :ivar why: what its source last failed with; None if it is only slow to start.
    """

    def __init__(self, name: str, why: str | None, retry_after: int) -> None:
        ServiceUnavailable.__init__(
            self, f"The camera {name!r} gives no picture.", retry_after=retry_after
        )
        self.why = why


class ExportTooLargeError(SluiceError, RequestEntityTooLarge):
    """An export has more rows or bytes than it may have: 413 before the first byte.

    :ivar limit: how many are allowed.
    """

    def __init__(self, what: str, limit: int) -> None:
        RequestEntityTooLarge.__init__(
            self,
            f"This export may have {limit:,} {what}, and has more. Ask for less of it.",
        )
        self.limit = limit


class UnknownFormatError(SluiceError, BadRequest):
    """A format was asked for that there isn't: 400, with those that there are."""


class UnacceptableFormatError(SluiceError, NotAcceptable):
    """Nothing that the client accepts is among the formats: 406."""


class ReceiptError(ArgumentError, BadRequest):
    """A receipt's id that nobody made, or another client's: 400."""

    def __init__(self, why: str) -> None:
        BadRequest.__init__(self, why)


class MissingExtraError(SluiceError, ImportError):
    """A package that is needed isn't installed.

    :ivar extra: what to install: `flask-sluice[extra]`.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs another package: pip install 'flask-sluice[{extra}]'."
        )
        self.extra = extra


class TransferCut(SluiceError, ConnectionResetError):
    """What the server is told so that it drops the connection, unfinished.

    It is a `ConnectionResetError` with its errno, because servers take that for a
    client that went away: they end the transfer without its terminator and without
    a second traceback. The real reason was logged before.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ECONNRESET, reason)


class StreamFailed(TransferCut):
    """The body raised after the first byte. Its exception is the `__cause__`."""


class StreamExpired(TransferCut):
    """The stream was open for longer than its deadline."""


class ClientLeft(TransferCut):
    """The client went away while the stream was open."""
