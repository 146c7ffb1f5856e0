"""Fakes, made-up clips and servers for tests and benchmarks."""
