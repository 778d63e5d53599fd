"""Who is connected, and whom a change of a channel concerns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from app.core.scope import Role
from app.events.stream import Stream
from sync.pull import Channel

MAX_STREAMS_PER_USER = 8
"""More phones of one person than anybody carries; beyond it the oldest gives way."""


@dataclass(slots=True, eq=False)
class Listener:
    """A user with at least one stream; the newest stream is the last."""

    user_id: UUID
    role: Role
    channels: frozenset[Channel]
    streams: list[Stream] = field(default_factory=list)

    def ping(self, position: int) -> int:
        """Tell all streams; gives how many."""
        for stream in self.streams:
            stream.ping(position)
        return len(self.streams)

    def ping_news(self, position: int) -> int:
        """Tell those streams whose last ping was sent before the company came to *position*."""
        behind = [stream for stream in self.streams if stream.pinged is None or stream.pinged < position]
        for stream in behind:
            stream.ping(position)
        return len(behind)


@dataclass(slots=True, eq=False)
class Hall:
    """The connected users of one company.

    ``told`` is the position up to which it is known whom the changes concern.
    """

    tenant_id: UUID
    told: int
    listeners: dict[UUID, Listener] = field(default_factory=dict)
    _by_channel: defaultdict[Channel, set[UUID]] = field(default_factory=lambda: defaultdict(set))

    def channels(self) -> list[Channel]:
        """Every channel that somebody connected is given, each once."""
        return list(self._by_channel)

    def concerned(self, channels: Iterable[Channel]) -> list[Listener]:
        """Who is given one of these channels, each once."""
        users = {user for channel in channels for user in self._by_channel.get(channel, ())}
        return [self.listeners[user] for user in users]

    def give(self, user_id: UUID, role: Role, channels: frozenset[Channel]) -> Listener:
        """Note what a user is given now."""
        listener = self.listeners.get(user_id)
        if listener is None:
            listener = self.listeners[user_id] = Listener(user_id, role, frozenset())
        self._forget(user_id, listener.channels - channels)
        for channel in channels - listener.channels:
            self._by_channel[channel].add(user_id)
        listener.role, listener.channels = role, channels
        return listener

    def dismiss(self, user_id: UUID) -> None:
        """The user's last stream is gone."""
        self._forget(user_id, self.listeners.pop(user_id).channels)

    def _forget(self, user_id: UUID, channels: Iterable[Channel]) -> None:
        for channel in channels:
            self._by_channel[channel].discard(user_id)
            if not self._by_channel[channel]:
                del self._by_channel[channel]


class Audience:
    """All halls. One thread works on it."""

    def __init__(self) -> None:
        self.halls: dict[UUID, Hall] = {}

    def admit(self, stream: Stream, role: Role, channels: frozenset[Channel], head: int) -> list[Stream]:
        """Let a stream in.

        Args:
            stream: A new one.
            role: Of its user.
            channels: That its user is given.
            head: The company's position.

        Returns:
            Streams that have to give way: of the same device, or the oldest of a user with too many.
        """
        hall = self.halls.get(stream.tenant_id)
        if hall is None:
            hall = self.halls[stream.tenant_id] = Hall(stream.tenant_id, head)
        streams = hall.give(stream.user_id, role, channels).streams
        streams.append(stream)
        out = [one for one in streams[:-1] if one.device_id == stream.device_id]
        kept = [one for one in streams if one not in out]
        out += kept[:-MAX_STREAMS_PER_USER]
        for one in out:
            self.leave(one)
        return out

    def leave(self, stream: Stream) -> None:
        """Let a stream go; one that is not in is no mistake."""
        listener = self.listener(stream.tenant_id, stream.user_id)
        if listener is None or stream not in listener.streams:
            return
        listener.streams.remove(stream)
        if listener.streams:
            return
        hall = self.halls[stream.tenant_id]
        hall.dismiss(stream.user_id)
        if not hall.listeners:
            del self.halls[stream.tenant_id]

    def listener(self, tenant_id: UUID, user_id: UUID) -> Listener | None:
        """A connected user."""
        hall = self.halls.get(tenant_id)
        return hall.listeners.get(user_id) if hall else None

    def everybody(self) -> Iterator[tuple[UUID, UUID]]:
        """Company and user of all who are connected."""
        return ((hall.tenant_id, user) for hall in self.halls.values() for user in hall.listeners)
