"""The edge tier: a stateful CNN + GRU over a flow's seconds. ``train``, ``evaluate`` and ``export`` need PyTorch
(scripts/torch-venv); ``sequences`` and ``layout`` do not. README.md says what was tried.
"""
