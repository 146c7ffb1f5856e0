"""The networks, by name, and the layers that they share."""
