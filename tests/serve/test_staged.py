"""A head that is pulled, then a feed: who has what, when, and one end for both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from flask_sluice.errors import ClientLeft, StreamExpired, StreamFailed
from flask_sluice.serve.fed import Fed
from flask_sluice.serve.staged import Staged
from flask_sluice.serve.stream import Departure, Stream
from helpers import PATIENCE, HandFeed, until

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Play(HandFeed):
    """A feed played by hand, with a shell in front: text, errors, or things to do."""

    def __init__(
        self, *shell: str | BaseException | Callable[[], object], feed: Any = ()
    ) -> None:
        super().__init__(*feed)
        self.shell_over = False
        self.shell_closed = 0
        self.seen_in: list[str] = []
        self._pieces = shell

    @property
    def is_over(self) -> bool:
        return self.shell_over and list(self.items) == [None]

    def take(self) -> bytes | None:
        # One that is over stays so, however often it is asked.
        return None if self.is_over else super().take()

    def shell(self) -> Generator[str, None, None]:
        held: list[str] = []
        try:
            for piece in self._pieces:
                self.seen_in.append(WHO.get())
                if isinstance(piece, BaseException):
                    raise piece
                if callable(piece):
                    piece()
                else:
                    # As a page does it: the last piece comes when it is known to be.
                    held.append(piece)
                    if len(held) > 1:
                        yield held.pop(0)
            self.shell_over = True
            yield from held
        finally:
            self.shell_closed += 1


class Carrier:
    """Parks what it is asked to, if it may, and carries on by hand."""

    def __init__(self, *, takes: bool = True) -> None:
        self.asked = 0
        self.fed: Fed | None = None
        self._takes = takes

    def __call__(self, fed: Fed) -> bool:
        self.asked += 1
        if self._takes:
            fed.hand_over()
            self.fed = fed
        return self._takes


def staged(
    play: Play, *, park: Callable[[Fed], bool] | None = None
) -> tuple[Staged, Stream, list[Any]]:
    """Give a primed transfer, its stream, and the list of what is over."""
    stream = Stream("/", "::1", Departure())
    ends: list[Any] = []
    stream.on_finish(lambda ended: ends.append(ended.outcome))
    context = copy_context()
    context.run(WHO.set, "the request")
    transfer = Staged(stream, play, context)
    transfer.prime()
    if not transfer.head_over:
        transfer.on_head_over = lambda: ends.append("head")
    transfer.park = park
    return transfer, stream, ends


# --- whole -----------------------------------------------------------------------


def test_head_and_feed_in_one_body() -> None:
    """Pieces of the head one by one, then the feed; one end."""
    play = Play("a", "b", "c", feed=(b"1", b"2", None))
    transfer, stream, ends = staged(play)
    assert list(transfer) == [b"a", b"b", b"c1", b"2"]
    transfer.close()
    assert ends == ["head", "complete"]
    assert (play.closes, play.shell_closed) == (1, 1)
    assert (stream.bytes_made, stream.chunks) == (5, 4)


def test_a_head_alone() -> None:
    """All values were there: one chunk, and nobody waits."""
    play = Play("all", feed=(None,))
    carrier = Carrier()
    transfer, _, ends = staged(play, park=carrier)
    assert transfer.head_over
    assert not transfer.will_wait
    assert list(transfer) == [b"all"]
    assert ends == ["complete"]
    assert carrier.asked == 0


def test_what_is_ready_goes_with_the_end_of_the_head() -> None:
    """It needs no write of its own."""
    transfer, _, _ = staged(Play("shell;", feed=(b"ready;", b"more", None)))
    assert next(transfer) == b"shell;ready;"
    assert list(transfer) == [b"more"]


def test_the_head_is_text_in_utf_8() -> None:
    """Also where it is cut between two characters that belong together."""
    transfer, _, _ = staged(Play("é", "e\u0301", "☃", feed=(None,)))
    assert b"".join(transfer).decode() == "ée\u0301☃"


def test_a_page_of_nothing() -> None:
    """prime() says that there is no body."""
    play = Play(feed=(None,))
    stream = Stream("/", "::1", Departure())
    transfer = Staged(stream, play, copy_context())
    assert transfer.prime() is False
    transfer.exhaust()
    assert stream.outcome == "complete"
    assert play.closes == 1


def test_the_head_runs_in_the_requests_context() -> None:
    """Each piece of it, and its closing, whoever asks."""
    play = Play("a", "b", "c", feed=(None,))
    transfer, _, _ = staged(play)
    seen: list[bytes] = []
    thread = threading.Thread(target=lambda: seen.extend(transfer))
    thread.start()
    thread.join(PATIENCE)
    assert b"".join(seen) == b"abc"
    assert set(play.seen_in) == {"the request"}


# --- parking ---------------------------------------------------------------------


def test_it_is_parked_when_it_would_wait() -> None:
    """The server has sent the shell by then; its own iterator is over, silently."""
    carrier = Carrier()
    play = Play("a", "b", feed=(b"1",))
    transfer, stream, ends = staged(play, park=carrier)
    assert next(transfer) == b"a"
    assert carrier.asked == 0
    assert next(transfer) == b"b1"
    assert carrier.asked == 0
    assert list(transfer) == []
    assert carrier.fed is transfer
    transfer.close()
    del transfer
    assert stream.outcome is None
    assert play.closes == 0
    assert ends == ["head"]


def test_it_is_not_parked_for_what_is_ready() -> None:
    """A feed that never makes anyone wait stays where it is."""
    carrier = Carrier()
    transfer, _, ends = staged(Play("a", feed=(b"1", b"2", b"3", None)), park=carrier)
    assert list(transfer) == [b"a1", b"2", b"3"]
    assert carrier.asked == 0
    assert ends == ["complete"]


def test_nothing_is_lost_between_two_carriers() -> None:
    """What comes in the very moment of parking is the new one's to take."""
    play = Play("a")

    def park(fed: Fed) -> bool:
        play.put(b"late", None)
        fed.hand_over()
        return True

    transfer, _, _ = staged(play, park=park)
    assert list(transfer) == [b"a"]
    assert play.take() == b"late"
    assert play.take() is None


def test_one_that_can_not_be_parked_is_waited_for() -> None:
    """By its own thread, which sleeps; it is asked once."""
    carrier = Carrier(takes=False)
    play = Play("a")
    transfer, _, ends = staged(play, park=carrier)
    seen: list[bytes] = []
    thread = threading.Thread(target=lambda: seen.extend(transfer))
    thread.start()
    until(lambda: play._wake is not None)
    play.put(b"1")
    until(lambda: play._wake is not None and len(seen) == 2)
    play.put(b"2", None)
    thread.join(PATIENCE)
    assert seen == [b"a", b"1", b"2"]
    assert carrier.asked == 1
    assert ends == ["complete"]


def test_the_new_carrier_may_ask_for_the_first_chunk() -> None:
    """Under ASGI the loop takes it on before the thread has sent anything."""
    transfer, stream, _ = staged(Play("shell"))
    assert transfer.head_over
    assert transfer.will_wait
    transfer.hand_over()
    assert transfer.take_first() == b"shell"
    assert transfer.take_first() == b""
    transfer.end("complete")
    assert stream.outcome == "complete"


# --- failures --------------------------------------------------------------------


def test_a_head_that_fails_at_once() -> None:
    """prime() raises what the template did, and all is closed."""
    play = Play(KeyError("early"))
    stream = Stream("/", "::1", Departure())
    with pytest.raises(KeyError, match="early"):
        Staged(stream, play, copy_context()).prime()
    assert (play.closes, play.shell_closed) == (1, 1)


def test_a_head_that_fails_later() -> None:
    """The transfer is broken; who holds the contexts hears of the error at the end.

    Were they told that the head is over, teardown would run as if all was well.
    """
    error = KeyError("late")
    play = Play("a", "b", error)
    transfer, stream, ends = staged(play)
    assert next(transfer) == b"a"
    with pytest.raises(StreamFailed) as raised:
        next(transfer)
    assert raised.value.__cause__ is error
    assert ends == ["failed"]
    assert stream.exception is error
    assert (play.closes, play.shell_closed) == (1, 1)


def test_a_feed_that_fails() -> None:
    """Like any other body's failure."""
    error = KeyError("late")
    play = Play("a", feed=(b"1", error))
    transfer, stream, ends = staged(play)
    assert next(transfer) == b"a1"
    with pytest.raises(StreamFailed):
        next(transfer)
    assert (ends, stream.exception, play.closes) == (["failed"], error, 1)


def test_a_head_whose_closing_raises(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the feed is closed all the same."""

    class Bad(Play):
        def shell(self) -> Generator[str, None, None]:
            try:
                yield "a"
            finally:
                raise ValueError("closing")

    play = Bad()
    transfer, _, ends = staged(play)
    transfer.close()
    assert "closing" in caplog.text
    assert play.closes == 1
    assert ends == ["left"]


# --- the client leaves, time is up -------------------------------------------------


def _closed(play: Play, ends: Iterable[Any], outcome: str) -> None:
    assert list(ends)[-1] == outcome
    assert (play.closes, play.shell_closed) == (1, 1)


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_closed_in_the_middle_of_the_head(pieces: int) -> None:
    """The template's generator is closed, and the feed, once."""
    play = Play("a", "b", "c", "d")
    transfer, _, ends = staged(play)
    for _ in range(pieces):
        next(transfer)
    transfer.close()
    transfer.close()
    _closed(play, ends, "left")
    assert "head" not in ends
    assert list(transfer) == []


def test_closed_after_the_head() -> None:
    """The feed is closed; the head was already."""
    play = Play("a", feed=(b"1", b"2"))
    transfer, _, ends = staged(play)
    next(transfer)
    transfer.close()
    _closed(play, ends, "left")


@pytest.mark.parametrize(
    ("verdict", "error"), [("left", ClientLeft), ("expired", StreamExpired)]
)
@pytest.mark.parametrize("where", ["head", "feed"])
def test_stopped_from_outside(verdict: Any, error: type[Exception], where: str) -> None:
    """The next chunk is refused, and everything closed."""
    play = Play("a", "b", "c", "d") if where == "head" else Play("a")
    transfer, stream, ends = staged(play)
    assert next(transfer) == b"a"
    stream.stop(verdict)
    with pytest.raises(error):
        next(transfer)
    _closed(play, ends, verdict)


def test_stopped_before_it_would_be_parked() -> None:
    """It isn't parked any more."""
    carrier = Carrier()
    transfer, stream, _ = staged(Play("a"), park=carrier)
    next(transfer)
    stream.stop("left")
    with pytest.raises(ClientLeft):
        next(transfer)
    assert carrier.asked == 0


def test_stopped_while_its_thread_waits() -> None:
    """The thread wakes up and ends it."""
    play = Play("a")
    transfer, stream, ends = staged(play)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            for _ in transfer:
                pass
        except ClientLeft as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: play._wake is not None)
    stream.stop("left")
    thread.join(PATIENCE)
    assert len(raised) == 1
    _closed(play, ends, "left")


def test_a_client_that_leaves_while_the_template_works() -> None:
    """The template isn't interrupted; what it gave then goes nowhere."""
    streams: list[Stream] = []
    play = Play("a", "b", lambda: streams[0].stop("left"), "c", "d")
    transfer, stream, ends = staged(play)
    streams.append(stream)
    assert next(transfer) == b"a"
    with pytest.raises(ClientLeft):
        next(transfer)
    _closed(play, ends, "left")


def test_a_middleware_that_loses_it() -> None:
    """The garbage collector ends it."""
    play = Play("a", "b", "c")
    transfer, _, ends = staged(play)
    next(transfer)
    del transfer
    _closed(play, ends, "left")
