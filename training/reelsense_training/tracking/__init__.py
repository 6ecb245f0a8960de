"""Runs and models in MLflow and Weights & Biases: written from a bundle and its ReelBench report, nothing else.

Needs the packages of ``training/requirements-tracking.lock`` (``scripts/tracking-venv``) and none of the training ones.
"""
