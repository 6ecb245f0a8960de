"""Datasets, training, evaluation and export of Reelsense's UE models."""

__version__ = "0.2.0"
