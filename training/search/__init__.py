"""``fer-search``: a search over the options of a training, stopped and gone on with at will."""
