"""The wire format against the protobuf library's."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.errors import ModelError
from fer_live.realtime.explain.protobuf import fields, integer, message

tensors = st.builds(
    onnx.TensorProto,
    name=st.text(),
    raw_data=st.binary(max_size=300),
    dims=st.lists(st.integers(0, 2**63 - 1)),
    float_data=st.lists(st.floats(width=32)),
    data_type=st.integers(0, 30),
)


@given(tensors)
def test_fields_are_told_apart_as_protobuf_does(tensor: onnx.TensorProto) -> None:
    data = tensor.SerializeToString()
    found = list(fields(memoryview(data)))
    assert b"".join(field.raw for field in found) == data
    assert [bytes(field.payload) for field in found if field.number == 9] == (
        [tensor.raw_data] if tensor.HasField("raw_data") else []
    )
    assert "".join(field.text for field in found if field.number == 8) == tensor.name


@given(st.text(), st.integers(0, 2**63 - 1))
def test_what_is_written_is_read_by_protobuf(name: str, size: int) -> None:
    tensor = onnx.TensorProto.FromString(message(8, name.encode()) + integer(1, size))
    assert (tensor.name, list(tensor.dims)) == (name, [size])


@given(tensors, st.data())
def test_a_message_cut_off_is_refused_or_ends_between_two_fields(tensor: onnx.TensorProto, draw: st.DataObject) -> None:
    data = tensor.SerializeToString()
    cut = data[: draw.draw(st.integers(0, len(data)))]
    try:
        found = b"".join(field.raw for field in fields(memoryview(cut)))
    except ModelError:
        return
    assert found == cut


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_a_model_error(data: bytes) -> None:
    try:
        for field in fields(memoryview(data)):
            assert field.text is not None
    except ModelError as error:
        assert "\n" not in str(error)


def test_a_number_without_an_end() -> None:
    with pytest.raises(ModelError, match="a number without an end at byte 0"):
        list(fields(memoryview(b"\xff" * 20)))
