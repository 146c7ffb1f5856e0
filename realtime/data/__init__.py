"""What a run found, as data: rows, events and a manifest of how they came about."""
