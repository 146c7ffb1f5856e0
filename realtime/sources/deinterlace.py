"""Interlaced pictures made whole."""

from __future__ import annotations

import av
from av.filter import Graph
from av.video.frame import VideoFrame

__all__ = ["Deinterlacer"]


class Deinterlacer:
    """FFmpeg's bwdif over pictures that are flagged as interlaced; others pass as they are.

    As many pictures come out as go in, in the same order with the same time stamps: one a frame, not one a field.
    Nothing is filtered and nothing is held back before the first flagged picture; from then on each comes out when
    the next one has gone in, since the filter looks ahead.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind: tuple[object, ...] = ()

    def push(self, frame: VideoFrame) -> list[VideoFrame]:
        """Put in a picture; the pictures that are ready."""
        kind = (frame.width, frame.height, frame.format.name, frame.time_base)
        ready = self.flush() if self._graph is not None and kind != self._kind else []
        if self._graph is None:
            if not frame.interlaced_frame or frame.time_base is None:
                return [*ready, frame]
            self._graph, self._kind = _graph(frame), kind
        self._graph.vpush(frame)
        return ready + self._pull()

    def flush(self) -> list[VideoFrame]:
        """The pictures still held; the next one that goes in begins anew."""
        if self._graph is None:
            return []
        self._graph.vpush(None)
        held = self._pull()
        self._graph = None
        return held

    def _pull(self) -> list[VideoFrame]:
        assert self._graph is not None
        ready = []
        while True:
            try:
                ready.append(self._graph.vpull())
            except (av.BlockingIOError, av.EOFError):
                return ready


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    given = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(given, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
    return graph
