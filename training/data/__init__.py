"""FER2013 and the FER+ votes: read in every form that people have them in, checked, packed."""
