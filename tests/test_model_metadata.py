import json

import numpy as np
import pytest

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, FERPLUS_LABELS, METADATA_KEY, Contract, Head
from fer_live.errors import ContractError
from fer_live.model_metadata import PROBE_KEY, PROVENANCE_KEY, ModelMetadata, Probe, output_names

HEADS = (Head("fer2013", FER2013_LABELS), Head("ferplus", FERPLUS_LABELS, 1.5))
CONTRACT = Contract(HEADS, FER2013_FRAMING, 0.5, 0.25)


def metadata() -> ModelMetadata:
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (3, 1, 48, 48), np.uint8)
    return ModelMetadata(CONTRACT, Probe(faces, generator.dirichlet(np.ones(7), 3).astype(np.float32)), {"epoch": 3})


def test_props_give_back_the_same_bit_for_bit() -> None:
    expected = metadata()
    props = expected.to_props()
    assert all(isinstance(value, str) for value in props.values())
    found = ModelMetadata.from_props({**props, "something": "else"})
    assert found.contract == expected.contract
    assert found.provenance == expected.provenance
    assert np.array_equal(found.probe.faces, expected.probe.faces)
    assert np.array_equal(found.probe.probabilities, expected.probe.probabilities)
    assert (found.probe.faces.dtype, found.probe.probabilities.dtype) == (np.uint8, np.float32)


@pytest.mark.parametrize("key", [METADATA_KEY, PROBE_KEY, PROVENANCE_KEY])
def test_a_missing_entry_is_refused_with_the_way_out(key: str) -> None:
    props = metadata().to_props()
    del props[key]
    with pytest.raises(ContractError, match=rf"lacks {key}.*not a model that fer-export wrote.*fer-export model.pt"):
        ModelMetadata.from_props(props)


def probe_with(**changes: object) -> dict[str, str]:
    props = metadata().to_props()
    return {**props, PROBE_KEY: json.dumps({**json.loads(props[PROBE_KEY]), **changes})}


@pytest.mark.parametrize(
    "props",
    [
        {**metadata().to_props(), METADATA_KEY: "{}"},
        {**metadata().to_props(), PROBE_KEY: "no json"},
        {**metadata().to_props(), PROBE_KEY: "[]"},
        {**metadata().to_props(), PROVENANCE_KEY: "3"},
        {**metadata().to_props(), PROVENANCE_KEY: "[" * 100_000},
        probe_with(tolerance=10**400),
        probe_with(faces={"shape": [1, 1, 48, 2**70], "base64": "AAAA"}),
        probe_with(version=2),
        probe_with(faces=None),
        probe_with(faces={"shape": [1, 1, 48, 48], "base64": "???"}),
        probe_with(faces={"shape": [1, 1, 48, 48], "base64": "AAAA"}),
        probe_with(faces={"shape": [1, 1, 2, 2], "base64": "AAAAAA=="}),
        probe_with(faces={"shape": [0, 1, 48, 48], "base64": ""}),
        probe_with(probabilities={"shape": [1, 1], "base64": "AAAAAA=="}),
        probe_with(probabilities={"shape": [3], "base64": "AAAA" * 4}),
    ],
)
def test_broken_entries_are_refused(props: dict[str, str]) -> None:
    with pytest.raises(ContractError):
        ModelMetadata.from_props(props)


def test_difference_to_the_probe() -> None:
    probe = metadata().probe
    assert probe.max_difference(probe.probabilities) == 0
    changed = probe.probabilities.copy()
    changed[1, 2] += 0.25
    assert probe.max_difference(changed) == pytest.approx(0.25, abs=1e-6)
    changed[0, 0] = np.nan
    assert probe.max_difference(changed) == float("inf")
    with pytest.raises(ContractError, match="shape"):
        probe.max_difference(probe.probabilities[:2])


def test_output_names() -> None:
    assert output_names(CONTRACT) == ("logits", "probabilities", "ferplus_logits", "ferplus_probabilities")
    assert output_names(Contract(HEADS[:1], FER2013_FRAMING, 0.5, 0.25)) == ("logits", "probabilities")
