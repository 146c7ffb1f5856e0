"""Still pictures: every face in them found, read and drawn at full resolution."""
