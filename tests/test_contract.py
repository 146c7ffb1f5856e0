import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, FERPLUS_LABELS, Contract, Framing, Head
from fer_live.errors import ContractError

CONTRACT = Contract((Head("fer2013", FER2013_LABELS), Head("ferplus", FERPLUS_LABELS)), FER2013_FRAMING, 0.5, 0.25)

finite = st.floats(-1e6, 1e6)
lines = st.floats(0, 1)
printable = st.text(min_size=1, max_size=8).filter(str.isprintable)
labels = st.lists(printable, min_size=2, max_size=9, unique=True).map(tuple)
contracts = st.builds(
    Contract,
    heads=st.lists(st.builds(Head, st.text(), labels, st.floats(1e-3, 1e3)), min_size=1, max_size=3).map(tuple),
    framing=st.builds(Framing, st.floats(1e-3, 10), lines, lines, st.floats(0, 180)),
    mean=finite,
    std=st.floats(1e-6, 1e6),
    size=st.integers(8, 1024),
)


@given(contracts)
def test_json_gives_back_an_equal_contract(contract: Contract) -> None:
    assert Contract.from_json(contract.to_json()) == contract


def raw() -> dict:
    return json.loads(CONTRACT.to_json())


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5])
def test_an_unknown_version_is_refused(version: object) -> None:
    with pytest.raises(ContractError, match=r"version .* is unknown"):
        Contract.from_json(json.dumps({**raw(), "version": version}))


@pytest.mark.parametrize("field", sorted(set(raw()) - {"version"}))
def test_a_missing_field_is_refused(field: str) -> None:
    broken = raw()
    del broken[field]
    with pytest.raises(ContractError, match=r"broken|needs the fields"):
        Contract.from_json(json.dumps(broken))


def test_an_extra_field_is_refused() -> None:
    with pytest.raises(ContractError, match="needs the fields"):
        Contract.from_json(json.dumps({**raw(), "gamma": 2.2}))
    with pytest.raises(ContractError, match="Framing needs the fields"):
        Contract.from_json(json.dumps({**raw(), "framing": {**raw()["framing"], "gamma": 2.2}}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "{}", '"contract"', "[" * 100_000, '{"version": 1}'])
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        Contract.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"heads": []},
        {"heads": 3},
        {"heads": [{"name": "a", "labels": ["x"], "temperature": 1}]},
        {"heads": [{"name": "a", "labels": ["x", "x"], "temperature": 1}]},
        {"heads": [{"name": "a", "labels": ["x", "y"], "temperature": 0}]},
        {"heads": [{"name": "a", "labels": ["x", "y"], "temperature": "warm"}]},
        {"heads": [{"name": "a", "labels": ["x", "y\n"], "temperature": 1}]},
        {"heads": [{"name": "a", "labels": ["x", "\ud800"], "temperature": 1}]},
        {"heads": [{"name": "a", "labels": ["x", ""], "temperature": 1}]},
        {"framing": None},
        {"framing": {**raw()["framing"], "side_eye_distances": 0}},
        {"framing": {**raw()["framing"], "side_eye_distances": 1e6}},
        {"framing": {**raw()["framing"], "eye_line": float("nan")}},
        {"framing": {**raw()["framing"], "mouth_line": -1e9}},
        {"framing": {**raw()["framing"], "level_beyond_deg": float("inf")}},
        {"mean": 10**400},
        {"size": 10**400},
        {"framing": []},
        {"mean": "grey"},
        {"mean": None},
        {"std": 0},
        {"std": float("nan")},
        {"size": 4},
        {"size": "large"},
        {"colour": "bgr"},
        {"resize": "nearest"},
    ],
)
def test_a_wrong_value_is_refused(change: dict) -> None:
    with pytest.raises(ContractError):
        Contract.from_json(json.dumps({**raw(), **change}))


def test_temperatures_go_to_the_heads_that_are_named() -> None:
    changed = CONTRACT.with_temperatures({"ferplus": 2.0, "nobody": 3.0})
    assert [head.temperature for head in changed.heads] == [1.0, 2.0]
    assert replace(changed, heads=CONTRACT.heads) == CONTRACT
