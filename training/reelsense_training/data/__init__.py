"""From packet series to labelled feature rows. Features are computed by the C++ extractor alone."""
