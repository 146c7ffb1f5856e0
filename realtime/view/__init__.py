"""What is drawn, and the window."""
