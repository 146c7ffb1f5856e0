"""The training room: data, networks, the training loop and honest evaluation."""
