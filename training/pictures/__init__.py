"""``fer-filters``: pictures of what a network learned."""
