"""The sound of the input, copied or re-encoded into the output beside the new picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.container
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.stream import Discard

from fer_live.realtime.containers import start_of
from fer_live.realtime.timeline import Timeline

__all__ = ["SoundCopier"]

_BROWSER_CODECS = frozenset({"aac", "mp3"})
_MATROSKA_CODECS = _BROWSER_CODECS | {"ac3", "eac3", "flac", "mp2", "opus", "pcm_s16le", "vorbis"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_MP3_IN_MP4_LEAST_RATE = 16000
# The output's header waits for the first packet of every stream, and there is nothing to play before it.
_PEEKED_PACKETS = 1000
_EARLIEST = Fraction(-1)  # Encoders put up to some 50 ms of run-in before the start.
_JOINT_S = 1  # how far apart picture and sound of one recording may end and the next ones begin


@dataclass(slots=True)
class _Track:
    """One sound stream on its way; ``encode``: its packets are decoded and encoded to AAC.

    ``timeline``: of the packets as they were; ``encoded``: of what was decoded from them, on the output's clock.
    """

    given: AudioStream
    written: AudioStream
    encode: bool
    timeline: Timeline
    encoded: Timeline
    filter: BitStreamFilterContext | None


class SoundCopier:
    """Copies the sound streams of an open input into an output container.

    Packets are copied as they are where the container and browsers play them (AAC and MP3 in MP4 and MOV, most codecs
    in Matroska), else decoded and encoded to AAC. Their offsets to the picture stay. Sound that cannot be read never
    fails the picture: it is left out, and ``warnings`` tells.

    Args:
        container: the input; read from here on by this copier alone.
        path: the input's name, for the warnings.
    """

    def __init__(self, container: av.container.InputContainer, path: Path) -> None:
        self._container = container
        self._path = path
        self._tracks: dict[int, _Track] = {}
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._held: Packet[AudioStream] | None = None
        self._start = start_of(container)
        self._moved = [Fraction(0)]
        self._damaged = False
        self.warnings: list[str] = []

    def add_streams(self, output: av.container.OutputContainer) -> None:
        """Add a stream to ``output`` for each sound stream of the input that can be written there.

        Raises:
            ValueError, av.FFmpegError: the output takes none of this; go on without sound.
        """
        for given, first in self._sounding():
            as_is = _can_copy(given, first, output.format.name)
            written = output.add_stream_from_template(given) if as_is else _add_aac(given, output)
            if given.language is not None:
                written.metadata["language"] = given.language
            written.disposition = given.disposition
            rate = given.codec_context.sample_rate
            frame = Fraction(1024, rate)
            tick = max(Fraction(1, rate), given.time_base or Fraction(0))
            timeline = Timeline(self._start, tick, frame, earliest=_EARLIEST, joined=self._joined)
            encoded = Timeline(Fraction(0), Fraction(1, rate), frame, earliest=_EARLIEST)
            strip = BitStreamFilterContext("aac_adtstoasc", given) if as_is and _is_adts(given, first) else None
            self._tracks[given.index] = _Track(given, written, not as_is, timeline, encoded, strip)

    def _sounding(self) -> list[tuple[AudioStream, Packet[AudioStream]]]:
        """The sound streams that can be used, each with its first packet; starts reading."""
        streams: dict[int, AudioStream] = {}
        for stream in self._container.streams:
            if not isinstance(stream, AudioStream):
                stream.discard = Discard.all
            elif stream.codec_context is None or not stream.codec_context.sample_rate:
                self._warn(f"sound stream {stream.index} has an unknown codec and is left out")
            else:
                streams[stream.index] = stream
        if not streams:
            return []
        packets = cast("Iterator[Packet[AudioStream]]", self._container.demux(list(streams.values())))
        peeked: list[Packet[AudioStream]] = []
        firsts: dict[int, Packet[AudioStream]] = {}
        try:
            for packet in itertools.islice(packets, _PEEKED_PACKETS):
                peeked.append(packet)
                if packet.size:
                    firsts.setdefault(packet.stream.index, packet)
                if len(firsts) == len(streams):
                    break
        except av.FFmpegError:
            self.note_damage()
        self._packets = (p for p in itertools.chain(peeked, packets) if p.stream.index in firsts)
        for index in streams.keys() - firsts.keys():
            self._warn(f"sound stream {index} is empty or begins late and is left out")
        return [(streams[index], first) for index, first in sorted(firsts.items())]

    def picture_moved(self, moved_s: float) -> None:
        """Tell by how much the picture's times are moved from here on; the sound's then are by the same."""
        moved = Fraction(round(moved_s * 1_000_000), 1_000_000)
        if moved != self._moved[-1]:
            self._moved.append(moved)

    def until(self, end_s: Fraction | None, *, last: bool = False) -> Iterator[Packet[AudioStream]]:
        """Packets for the output that begin before ``end_s`` seconds; all that are left where it is None.

        Where another clock begins in the sound, no more come until the picture is :data:`_JOINT_S` further and has
        surely told by how much its own was moved, unless this is the ``last`` that is asked for.
        """
        while (packet := self._held or self._next()) is not None:
            self._held = packet
            track = self._tracks[packet.stream.index]
            if packet.size:
                timeline = copy(track.timeline)
                stamp = packet.pts if packet.pts is not None else packet.dts
                time = timeline.place(None if stamp is None else stamp * packet.time_base)
                waits = _JOINT_S if timeline.clocks > track.timeline.clocks and not last else 0
                if end_s is not None and time + waits >= end_s:
                    return
                track.timeline = timeline
                packet.pts = packet.dts = round(time / packet.time_base)
            self._held = None
            yield from self._encoded(track, packet) if track.encode else self._copied(track, packet)

    def _joined(self, moved: Fraction) -> Fraction:
        """By how much to move a clock that begins in the sound: as the picture's, where that began about then too."""
        nearest = min(self._moved, key=lambda pictures: abs(pictures - moved))
        return nearest if abs(nearest - moved) < _JOINT_S else moved

    def flush(self) -> Iterator[Packet[AudioStream]]:
        """What the encoders still hold; afterwards no more sound comes."""
        self._held, self._packets = None, iter(())
        for track in self._tracks.values():
            if track.encode:
                try:
                    yield from track.written.encode(None)
                except av.FFmpegError:
                    self.note_damage()

    def drop(self) -> None:
        """No sound after all: the output does not take it."""
        self._held, self._packets, self._tracks = None, iter(()), {}
        self._warn("its sound does not fit the output and is left out")

    def _next(self) -> Packet[AudioStream] | None:
        try:
            return next(self._packets, None)
        except av.FFmpegError:
            self.note_damage()
            self._packets = iter(())
            return None

    def _copied(self, track: _Track, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        if packet.size:
            base = packet.time_base
            # Matroska cannot begin before 0; without its run-in a codec needs one packet to be exact.
            if (packet.pts or 0) >= 0 or "matroska" not in track.written.container.format.name:
                try:
                    stripped = [packet] if track.filter is None else track.filter.filter(packet)
                except av.FFmpegError:
                    self.note_damage()
                    return
                for packet in stripped:
                    packet.time_base = base
                    packet.stream = track.written
                    yield packet

    def _encoded(self, track: _Track, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        try:
            for frame in track.given.decode(packet):
                base = frame.time_base or packet.time_base
                time = track.encoded.place(None if frame.pts is None else frame.pts * base)
                frame.time_base = Fraction(1, frame.sample_rate)
                frame.pts = round(time * frame.sample_rate)
                yield from track.written.encode(frame)
        except (av.FFmpegError, ValueError):
            # The encoder does not take a frame whose format changed midway either.
            self.note_damage()

    def note_damage(self) -> None:
        """Some sound could not be read or written."""
        if not self._damaged:
            self._damaged = True
            self._warn("its sound is damaged and missing in part of the output")

    def _warn(self, what: str) -> None:
        self.warnings.append(f"{self._path}: {what}; the picture is complete")


def _can_copy(given: AudioStream, first: Packet[AudioStream], format_name: str) -> bool:
    codec = given.codec_context.codec.canonical_name
    if codec == "mp3" and not _is_layer_3(first):
        return False
    if "matroska" in format_name:
        return codec in _MATROSKA_CODECS
    return codec in _BROWSER_CODECS and (codec != "mp3" or given.codec_context.sample_rate >= _MP3_IN_MP4_LEAST_RATE)


def _is_layer_3(packet: Packet[AudioStream]) -> bool:
    # MP4 has one name for MPEG audio layers 1 to 3, read as MP3: only the packet's own header tells them apart.
    header = bytes(packet)[:2]
    return len(header) == 2 and header[0] == 0xFF and header[1] & 0xE6 == 0xE2


def _is_adts(given: AudioStream, packet: Packet[AudioStream]) -> bool:
    """Whether an AAC packet brings its own header, as in broadcasts, where a file has one for all."""
    header = bytes(packet)[:2]
    return given.codec_context.codec.canonical_name == "aac" and header[:1] == b"\xff" and header[1] & 0xF6 == 0xF0


def _add_aac(given: AudioStream, output: av.container.OutputContainer) -> AudioStream:
    context = given.codec_context
    rate = context.sample_rate if context.sample_rate in _AAC_RATES else 48000
    layout = {1: "mono", 6: "5.1"}.get(context.layout.nb_channels, "stereo")
    written = output.add_stream("aac", rate=rate, layout=layout)
    written.codec_context.bit_rate = 96_000 * {"mono": 1, "stereo": 2, "5.1": 4}[layout]
    return written
