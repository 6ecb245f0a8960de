"""Training windows of the views socket and record, in the same form as the packet view's."""

from reelsense_training.views.corpus import OTHER_VIEWS, ViewSpec, build_view_corpus, view_rows

__all__ = ["OTHER_VIEWS", "ViewSpec", "build_view_corpus", "view_rows"]
