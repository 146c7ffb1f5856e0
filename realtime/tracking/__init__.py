"""Which face is which from frame to frame, and when the detector and the classifier must look again."""
