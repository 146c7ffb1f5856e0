"""Why the model answers as it does: its layers, their feature maps, and where in a face it looks."""
