"""Mutated media files through source and sink."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from cases import digest, run_cases
from mutations import mutated_bytes

from fer_live.errors import FerLiveError
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.fakes import make_result

MEMORY_MIB = 700
MOST_FRAMES = 500


def case(folder: Path, seed: int, rng: np.random.Generator) -> str:
    bases = sorted((folder / "bases").iterdir())
    base = bases[seed % len(bases)]
    data, what = mutated_bytes(base.read_bytes(), rng)
    given, target = folder / f"{seed}{base.suffix}", folder / f"{seed}.out{('.mp4', '.mkv', '.mov')[seed % 3]}"
    given.write_bytes(data)
    before = digest(given)
    count, warned = 0, False
    try:
        with FileSource(given) as source, VideoFileSink(target, source.info, copy_from=given) as sink:
            for frame in source:
                count += 1
                sink.write(make_result(frame))
                if count > MOST_FRAMES:
                    break
            sink.finish()
        warned = bool(source.warnings)
        assert all("\n" not in warning for warning in (*source.warnings, *sink.warnings))
        with av.open(str(target)) as container:
            found = sum(1 for _ in container.decode(video=0))
        if found != count:
            target.rename(target.with_suffix(f".wrong{target.suffix}"))
            raise AssertionError(f"{found} of {count} frames are in the output")
    except BaseException as error:
        assert not target.exists(), "a target exists after a failed run"
        assert digest(given) == before, "the input was changed"
        if isinstance(error, FerLiveError):
            given.unlink()
            target.with_suffix(f".partial{target.suffix}").unlink(missing_ok=True)
        raise
    assert digest(given) == before, "the input was changed"
    target.unlink()
    given.unlink()
    return f"{base.name} {what}: {count} frames{', warned' if warned else ''}"


if __name__ == "__main__":
    run_cases(case, MEMORY_MIB)
