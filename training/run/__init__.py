"""A training: the loop, what it minimises and by which steps, and the folder that it writes."""
