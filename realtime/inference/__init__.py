"""The model's answers, on the CPU or on CUDA."""
