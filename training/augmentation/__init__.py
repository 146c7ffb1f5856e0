"""The batches of an epoch: which images come up, and how they are mirrored, moved, degraded and mixed."""
