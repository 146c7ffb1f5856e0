"""Honest figures of a model: its answers on the test splits, how sure they are, and what it loses on worse faces."""
