"""The live room: sources, detectors, tracker, classifier, annotation, sinks and the pipeline that joins them."""
