"""Teachers: what they say of the faces, and the loss that makes a student answer alike."""
