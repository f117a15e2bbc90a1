"""Redis 7 and Valkey as the broker: a stream for each channel, and pub/sub.

In: packets. Out: the same to all who listen, and as much of the history as is kept.
The only module that knows the package `redis`; it refuses to know what packets say.

One script adds to the stream and publishes, so the order is the same in both and no
number is skipped. Pub/sub delivers, since it costs a fifth of what reading a thousand
streams does; whoever sees a gap reads the stream. Each channel is one key, and so one
slot of a cluster. Its epoch stands in its ids, and can't be lost apart from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import BrokerError, ConfigError, MissingExtraError
from ..jitter import spread
from .broker import Place, Stored

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        AuthenticationError,
        BusyLoadingError,
        ConnectionError,  # noqa: A004 - it is theirs
        ReadOnlyError,
        RedisError,
        TimeoutError,  # noqa: A004 - it is theirs
    )
    from redis.retry import Retry
except ImportError as error:
    raise MissingExtraError("A broker at redis://", "redis") from error

__all__ = ["RedisBroker"]

PREFIX = "sluice"
IDLE = 24 * 3600  # seconds after the last publication until a channel is forgotten
TIMEOUT = 5.0  # seconds that an answer may take
PAGE = 1000  # packets read at once
RECENT = 1000  # packets among which a second try looks for the first
PAUSE = 0.01, 0.5  # seconds between tries: at first, and at most

# `known` is what the caller has seen. A stream that ends before that was restored from
# an older copy: going on in its epoch would give numbers a second time, and readers
# would take new events for old ones. So it begins another, higher than all before.
SCRIPT = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local known_epoch, known_seq = tonumber(ARGV[4]), tonumber(ARGV[5])
local epoch, seq = 0, 0
if last then
  local one, two = string.match(last[1], '(%d+)-(%d+)')
  epoch, seq = tonumber(one), tonumber(two)
end
local lost = known_epoch > epoch or (known_epoch == epoch and known_seq > seq)
if ARGV[6] == '1' then
  for _, entry in ipairs(
    redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', tonumber(ARGV[7]))
  ) do
    if entry[2][2] == ARGV[1] then return entry[1] end
  end
end
local packet = ARGV[1]
if last and not lost and packet == '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[8])
  return last[1]
end
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', tonumber(time[2]))
if lost or not last then
  epoch = math.max(tonumber(now), epoch + 1, known_epoch + 1)
  seq = 0
end
if packet ~= '' then seq = seq + 1 end
local id = string.format('%.0f-%.0f', epoch, seq)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], id, 'p', packet, 't', now)
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PUBLISH', ARGV[2], id .. ' ' .. packet)
return id
"""

LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

# Redis is starting, or somebody else is being made its master: this passes.
PASSING = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)

T = TypeVar("T")


class RedisBroker:
    """A Redis.

    :param url: `redis://`, `rediss://` or `unix://`, as the package `redis` reads it;
        with `?prefix=` for keys of one's own beside others' in the same database.
    :param wait: seconds that publishing tries while it is away.
    :raises ConfigError: the URL can't be used.
    """

    def __init__(self, url: str, wait: float) -> None:
        self._url, self._prefix = _split(url)
        self._wait = wait
        self.renew()
        # Without the password, for messages.
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        self.where = urlunsplit((parts.scheme, place, parts.path, "", ""))

    def __repr__(self) -> str:
        return f"<RedisBroker {self.where}>"

    def renew(self) -> None:
        """Go on in a process that was forked off."""
        try:
            self.client = redis.Redis.from_url(
                self._url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                **self._defaults(),
            )
        except (ValueError, TypeError) as error:
            raise ConfigError(f"SLUICE_BROKER_URL can't be used: {error}") from None
        pool = self.client.connection_pool
        self._db = pool.connection_kwargs.get("db") or 0
        self._script = self.client.register_script(SCRIPT)
        self._lease = self.client.register_script(LEASE)
        self._release = self.client.register_script(RELEASE)

    def _defaults(self) -> dict[str, Any]:
        said = dict(parse_qsl(urlsplit(self._url).query))
        ours = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "health_check_interval": 30,
        }
        return {name: value for name, value in ours.items() if name not in said}

    def topic(self, name: str) -> str:
        """Give the topic of the channel *name*: pub/sub knows no databases."""
        return f"{self._prefix}:{self._db}:{name}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _folder(self, name: str) -> str:
        # Two colons, so that no channel's key is the same.
        return f"{self._prefix}::{name}"

    # Everything below may wait.

    def publish(
        self, name: str, packet: bytes, history: int, known: Place, *, wait: bool = True
    ) -> Place:
        """Add *packet*, and send it to all who listen. See `Broker.publish`."""
        arguments: list[Any] = [packet, self.topic(name), history, *known]

        def once(again: int) -> Place:
            found = self._script(
                keys=[self._key(name)], args=[*arguments, again, RECENT, IDLE * 1000]
            )
            return _place(found)

        return self._try(once, self._wait if wait else 0.0)

    def attend(self, name: str, known: Place) -> Place:
        """Have the channel exist, and give where it stands."""
        return self.publish(name, b"", PAGE, known, wait=False)

    def newest(self, name: str, count: int) -> list[Stored]:
        """Give the last *count* packets, the oldest first."""

        def once(_: int) -> list[Stored]:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.xrevrange(self._key(name), count=count)
                now, found = pipe.execute()
            return [_stored(each, now) for each in reversed(found)]

        return self._try(once, 0.0)

    def since(self, name: str, place: Place) -> list[Stored]:
        """Give all from *place* on, the oldest first."""
        found: list[Stored] = []
        begin = f"{place.epoch}-{place.seq}"
        while True:

            def once(_: int, begin: str = begin) -> list[Stored]:
                with self.client.pipeline(transaction=False) as pipe:
                    pipe.time()
                    pipe.xrange(self._key(name), min=begin, count=PAGE)
                    now, page = pipe.execute()
                return [_stored(each, now) for each in page]

            page = self._try(once, 0.0)
            found += page
            if len(page) < PAGE:
                return found
            last = page[-1].place
            begin = f"({last.epoch}-{last.seq}"

    def read(self, message: bytes) -> tuple[Place, bytes]:
        """Give the place and the packet of a message that `publish` has sent."""
        place, _, packet = message.partition(b" ")
        return _place(place), packet

    def shout(self, topic: str, message: bytes) -> None:
        """Send *message* to all who listen now."""
        self._try(lambda _: self.client.publish(topic, message), 0.0)

    def listeners(self, topic: str) -> int:
        """Count the connections that listen."""
        found: Any = self._try(lambda _: self.client.pubsub_numsub(topic), 0.0)
        return int(found[0][1])

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Give *name* to *holder* for a while, or tell that it is taken."""
        keys, args = [self._folder(name)], (holder, round(seconds * 1000))
        return bool(self._try(lambda _: self._lease(keys=keys, args=args), 0.0))

    def release(self, name: str, holder: str) -> None:
        """Take it back from *holder*, if it has it."""
        keys, args = [self._folder(name)], [holder]
        self._try(lambda _: self._release(keys=keys, args=args), 0.0)

    def keep(self, folder: str, texts: dict[str, str], seconds: float) -> None:
        """Keep *texts* in *folder*."""
        key = self._folder(folder)

        def once(_: int) -> None:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.hset(key, items=[part for pair in texts.items() for part in pair])
                pipe.pexpire(key, round(seconds * 1000))
                pipe.execute()

        if texts:
            self._try(once, 0.0)

    def kept(self, folder: str) -> dict[str, str]:
        """Give what is in *folder*."""
        key = self._folder(folder)
        found: dict[Any, Any] = self._try(lambda _: self.client.hgetall(key), 0.0)
        return {name.decode(): text.decode() for name, text in found.items()}

    def link(self) -> RedisLink:
        """Connect, to listen."""
        pool = self.client.connection_pool
        connection = pool.connection_class(**pool.connection_kwargs)
        try:
            connection.connect()
        except (RedisError, OSError) as error:
            raise BrokerError(self.where, error) from error
        return RedisLink(connection, self.where)

    def _try(self, call: Callable[[int], T], wait: float) -> T:
        deadline = time.monotonic() + wait
        pause, most = PAUSE
        tries = 0
        while True:
            try:
                return call(min(tries, 1))
            except AuthenticationError as error:
                raise BrokerError(self.where, error) from error
            except PASSING as error:
                # The first time at once: a connection that was idle may be dead though
                # the server is well.
                if tries and time.monotonic() + pause > deadline:
                    raise BrokerError(self.where, error) from error
            except RedisError as error:
                raise BrokerError(self.where, error) from error
            if tries:
                time.sleep(spread(pause, 0.5, 1.0))
                pause = min(most, pause * 2)
            tries += 1


class RedisLink:
    """A connection that listens. See `Link`."""

    def __init__(self, connection: Any, where: str) -> None:
        self._connection = connection
        self._where = where

    def subscribe(self, topics: Sequence[str]) -> None:
        """Have what is published to *topics* arrive."""
        self._send("SUBSCRIBE", *topics)

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Don't, any more."""
        self._send("UNSUBSCRIBE", *topics)

    def _send(self, *command: str) -> None:
        try:
            self._connection.send_command(*command, check_health=False)
        except (RedisError, OSError) as error:
            raise BrokerError(self._where, error) from error

    def receive(self, timeout: float) -> tuple[str, str, bytes] | None:
        """Give the next arrival; None after *timeout* seconds without one."""
        connection = self._connection
        try:
            if not connection.can_read(timeout=timeout):
                # A peer that is gone says nothing; one that is there answers this.
                self._send("PING")
                if not connection.can_read(timeout=TIMEOUT):
                    raise TimeoutError("no answer to PING")
            reply = connection.read_response(disable_decoding=True)
        except (RedisError, OSError, ValueError) as error:
            raise BrokerError(self._where, error) from error
        kind = reply[0]
        if kind == b"message":
            return "message", reply[1].decode(), reply[2]
        if kind == b"subscribe":
            return "subscribed", reply[1].decode(), b""
        return None

    def close(self) -> None:
        """End it."""
        self._connection.disconnect()


def _place(found: bytes) -> Place:
    epoch, _, seq = found.partition(b"-")
    return Place(int(epoch), int(seq))


def _stored(entry: tuple[bytes, dict[bytes, bytes]], now: tuple[int, int]) -> Stored:
    place, fields = entry
    age = now[0] + now[1] / 1e6 - int(fields[b"t"]) / 1e6
    return Stored(_place(place), fields[b"p"], max(0.0, age))


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.pop("prefix", PREFIX)
    if not prefix:
        raise ConfigError("SLUICE_BROKER_URL has an empty prefix: leave it out.")
    return urlunsplit(parts._replace(query=urlencode(query))), prefix
