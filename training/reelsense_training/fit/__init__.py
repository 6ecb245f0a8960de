"""Fitting and judging: splits by group, models, calibration, metrics, the nested evaluation."""
