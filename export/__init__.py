"""The export room: from a checkpoint to an ONNX model that carries its contract."""
