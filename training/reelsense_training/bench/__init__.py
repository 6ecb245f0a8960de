"""ReelBench: one evaluation of per-flow, per-second video classification, for any predictor.

Sessions of the traffic lab go in, labels of a predictor beside them, and out come the figures that decide: the
worst cell first, with designs, paths and sessions held out as wholes (docs/reference/reelbench.md).
"""
