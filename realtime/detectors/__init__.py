"""Where the faces of a frame are."""
