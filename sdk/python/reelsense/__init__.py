"""Reelsense: is this traffic video or not, per flow and second, from packet sizes and times alone.

The quick start is README.md's. Words: a window is one second of event time of one flow; a feature vector describes it;
its label is "video" or "non-video" with a confidence, and may be marked uncertain; a session is all flows together.
"""

from reelsense._core import PACKET, lib, text
from reelsense.backends import BACKENDS, Backend
from reelsense.bundles import Bundle, find, load, read_bundle, shipped
from reelsense.capture import Capture, CaptureResult, CaptureStatus, classify_capture, featurise_capture
from reelsense.classifier import LINK_ETHERNET, LINK_RAW, Classifier, Decision, packets
from reelsense.errors import (
    ReelsenseArgumentError,
    ReelsenseBusyError,
    ReelsenseClosedError,
    ReelsenseCorruptError,
    ReelsenseError,
    ReelsenseLimitError,
    ReelsenseMemoryError,
    ReelsenseMismatchError,
    ReelsenseUnsupportedError,
)
from reelsense.features import Features, extract, feature_names, schema_hash
from reelsense.model import Model, ModelInfo
from reelsense.policy import Policy, PolicyKey, policy_keys
from reelsense.types import Counters, Decisions, FlowSummary, FlowTuple, Qos, Second, Window, Windows

__version__: str = text(lib.rs_version())

__all__ = [
    "BACKENDS",
    "LINK_ETHERNET",
    "LINK_RAW",
    "PACKET",
    "Backend",
    "Bundle",
    "Capture",
    "CaptureResult",
    "CaptureStatus",
    "Classifier",
    "Counters",
    "Decision",
    "Decisions",
    "Features",
    "FlowSummary",
    "FlowTuple",
    "Model",
    "ModelInfo",
    "Policy",
    "PolicyKey",
    "Qos",
    "ReelsenseArgumentError",
    "ReelsenseBusyError",
    "ReelsenseClosedError",
    "ReelsenseCorruptError",
    "ReelsenseError",
    "ReelsenseLimitError",
    "ReelsenseMemoryError",
    "ReelsenseMismatchError",
    "ReelsenseUnsupportedError",
    "Second",
    "Window",
    "Windows",
    "__version__",
    "classify_capture",
    "extract",
    "feature_names",
    "featurise_capture",
    "find",
    "load",
    "packets",
    "policy_keys",
    "read_bundle",
    "schema_hash",
    "shipped",
]
