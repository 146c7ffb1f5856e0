from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from fer_live.training.run.curves import draw_curves


def history(epochs: int) -> list[dict[str, Any]]:
    names = ("train_loss", "public_nll", "public_accuracy", "public_balanced_accuracy", "lr")
    return [{"epoch": epoch, **dict.fromkeys(names, 0.3 + 0.01 * epoch)} for epoch in range(epochs)]


@pytest.mark.parametrize("epochs", [1, 2, 3, 60])
def test_every_epoch_is_seen_and_has_a_whole_number(
    epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k)))
    draw_curves(tmp_path / "curves.png", "title", history(epochs))
    assert (tmp_path / "curves.png").stat().st_size > 0
    for axis in drawn[0].axes:
        low, high = axis.get_xlim()
        ticks = [tick for tick in axis.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == int(tick) >= 1 for tick in ticks)
        for line in axis.lines:
            assert epochs > 1 or line.get_marker() == "o"
            assert np.array_equal(line.get_xdata(), np.arange(1, epochs + 1))
            assert low < min(line.get_xdata()) and max(line.get_xdata()) < high
