"""The only thing through which stages talk: a bounded, closable queue that counts what it dropped."""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Aborted", "Channel", "Overflow"]

T = TypeVar("T")


class Overflow(enum.Enum):
    """What ``put`` does when the channel is full: wait for room, or drop the oldest item."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


class Aborted(Exception):
    """The channel was aborted while this thread waited on it or before it came."""


class Channel(Generic[T]):
    """A queue between two threads.

    ``put``s and ``get``s wait on a condition, never poll. ``close`` says that no more items come: what is inside can
    still be taken. ``abort`` throws away what is inside and raises :class:`Aborted` in every thread that waits or
    comes later. At any time: items put = items taken + items inside + dropped.
    """

    def __init__(self, capacity: int, overflow: Overflow) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, found {capacity}")
        self._capacity = capacity
        self._overflow = overflow
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        # Who waits, and for how many items: nobody is woken for nothing.
        self._getters_want: list[int] = []
        self._putters = 0
        self._closed = False
        self._aborted = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many items were dropped because the channel was full."""
        with self._changed:
            return self._dropped

    @property
    def is_drained(self) -> bool:
        """Whether the channel was closed and nothing is left in it."""
        with self._changed:
            return self._closed and not self._items

    @property
    def is_aborted(self) -> bool:
        """Whether everything was ended by :meth:`abort`."""
        with self._changed:
            return self._aborted

    def __len__(self) -> int:
        """How many items are inside."""
        return len(self._items)

    def put(self, item: T) -> T | None:
        """Add an item; waits or drops when full, as the overflow says. Returns the item that was dropped, if any.

        Raises:
            Aborted: the channel was aborted.
            ValueError: the channel was closed.
        """
        with self._changed:
            if self._overflow is Overflow.BLOCK and len(self._items) == self._capacity:
                self._putters += 1
                try:
                    self._changed.wait_for(lambda: self._aborted or self._closed or len(self._items) < self._capacity)
                finally:
                    self._putters -= 1
            if self._aborted:
                raise Aborted
            if self._closed:
                raise ValueError("put on a closed channel")
            lost = None
            if len(self._items) == self._capacity:
                lost = self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            if any(len(self._items) >= wanted for wanted in self._getters_want):
                self._changed.notify_all()
            return lost

    def get_many(self, most: int, *, fill: bool, timeout_s: float | None = None) -> list[T]:
        """Take up to ``most`` items, oldest first; an empty list means closed and drained, or nothing came in time.

        Args:
            most: at most this many.
            fill: wait until there are ``most`` or the channel is closed, so that batches don't depend on timing
                (needs a capacity of at least ``most``); without it, wait for one and take what is there.
            timeout_s: wait no longer than this; :attr:`is_drained` then tells whether it is the end.

        Raises:
            Aborted: the channel was aborted.
        """
        wanted = min(most, self._capacity) if fill else 1
        with self._changed:
            self._getters_want.append(wanted)
            try:
                self._changed.wait_for(lambda: self._aborted or self._closed or len(self._items) >= wanted, timeout_s)
            finally:
                self._getters_want.remove(wanted)
            return self._take(most)

    def get_fresh(self, patience_s: Callable[[T], float]) -> list[T]:
        """Take the oldest item, or the one that takes its place soon; an empty list means closed and drained.

        Args:
            patience_s: how long the next one is waited for, 0: not at all. Where items are dropped, the item given up
                for it counts as dropped.

        Raises:
            Aborted: the channel was aborted.
        """
        with self._changed:
            self._getters_want.append(1)
            try:
                self._changed.wait_for(lambda: self._aborted or self._closed or self._items)
                if self._items and not self._closed and (wait_s := patience_s(first := self._items[0])) > 0:
                    self._changed.wait_for(
                        lambda: self._aborted or self._closed or self._items[0] is not first, timeout=wait_s
                    )
            finally:
                self._getters_want.remove(1)
            return self._take(1)

    def _take(self, most: int) -> list[T]:
        if self._aborted:
            raise Aborted
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        if self._putters:
            self._changed.notify_all()
        return taken

    def __iter__(self) -> Iterator[T]:
        """Items until the channel is closed and drained; raises Aborted if it is aborted."""
        while batch := self.get_many(1, fill=False):
            yield batch[0]

    def close(self) -> None:
        """No more items will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """End everything now."""
        with self._changed:
            self._aborted = True
            self._items.clear()
            self._changed.notify_all()
