from __future__ import annotations

import pytest

import reelsense
from reelsense import Policy, ReelsenseArgumentError


def test_every_setting_has_a_range_that_holds_its_default():
    keys = reelsense.policy_keys()
    assert len(keys) > 5
    for name, key in keys.items():
        assert name == key.name and key.help and key.low <= key.standard <= key.high
    assert Policy().settings() == {name: key.standard for name, key in keys.items()}


def test_settings_are_set_read_and_refused():
    key = next(iter(reelsense.policy_keys().values()))
    policy = Policy({key.name: key.high})
    assert policy[key.name] == key.high
    with pytest.raises(ReelsenseArgumentError, match=key.name):
        policy[key.name] = key.high + 1
    assert policy[key.name] == key.high
    for call in (lambda: policy["no_such_key"], lambda: Policy({"no_such_key": 1})):
        with pytest.raises(ReelsenseArgumentError, match="no_such_key"):
            call()


def test_a_classifier_decides_by_its_policy(reels):
    """The classifier copies it: a change afterwards, or its end, does not reach it."""
    buffers = [key for key in reelsense.policy_keys().values() if "buffer" in key.name and key.unit == "ms"]
    assert buffers, [key.name for key in reelsense.policy_keys().values()]
    policy = Policy({key.name: key.high for key in buffers})
    decided = [
        {second.qos.buffer_target_ms for second in reelsense.classify_capture(reels, policy=given).seconds}
        for given in (None, policy)
    ]
    assert decided[0] != decided[1]


def test_a_policy_may_go_before_its_classifier():
    classifier = reelsense.Classifier(view="socket", policy=Policy())
    classifier.advance(1_700_000_000 * 10**9)
    classifier.close()
