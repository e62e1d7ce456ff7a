"""Hardware and runtime sources, one a file, read in the background and observed as snapshots."""
