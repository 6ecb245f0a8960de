from __future__ import annotations

import threading

import numpy as np
import pytest

import reelsense
from reelsense import (
    ReelsenseArgumentError,
    ReelsenseCorruptError,
    ReelsenseLimitError,
    ReelsenseMismatchError,
    _core,
)


def test_shipped_models_are_those_of_the_checkout(root):
    names = ["reelsense-ue-linear@1.0.0", "reelsense-ue-socket@1.0.0", "reelsense-ue@1.0.0"]
    assert sorted(reelsense.shipped()) == names
    for bundle in reelsense.shipped().values():
        for name in ("manifest.json", "model.onnx", "model.tflite"):
            content = (bundle.folder / name).read_bytes()
            assert content == (root / "models" / bundle.name / bundle.version / name).read_bytes()


def test_info_says_what_the_manifest_says(model):
    bundle = reelsense.find("reelsense-ue@1.0.0")
    info = model.info
    assert (info.id, info.view, info.inputs) == (bundle.id, bundle.view, len(bundle.features))
    assert info.threshold == np.float32(bundle.threshold)
    assert (info.uncertain_low, info.uncertain_high) == tuple(map(np.float32, bundle.uncertain))
    assert info.kernel


def test_classify_gives_columns(model, real_rows):
    decisions = model.classify(real_rows)
    assert len(decisions) == len(real_rows) > 100
    assert ((decisions.probability >= 0) & (decisions.probability <= 1)).all()
    assert (decisions.confidence >= 0.5).all()
    assert np.array_equal(decisions.video, decisions.probability >= np.float32(0.5))
    assert set(decisions.labels) == {"video", "non-video"}
    low, high = model.info.uncertain_low, model.info.uncertain_high
    assert np.array_equal(decisions.uncertain, (decisions.probability > low) & (decisions.probability < high))


def test_classify_takes_one_row_lists_and_float64(model, real_rows):
    one = model.classify(real_rows[0])
    assert len(one) == 1
    assert model.classify(real_rows[:3].astype(np.float64).tolist()).probability[0] == one.probability[0]
    assert model.classify(real_rows[::2]).probability[0] == one.probability[0]  # not contiguous
    assert len(model.classify(np.empty((0, 48)))) == 0


def test_classify_refuses_rows_of_another_view(model, socket_model):
    with pytest.raises(ReelsenseArgumentError, match=r"\[3, 28\].*\[n, 48\]"):
        model.classify(np.zeros((3, 28)))
    with pytest.raises(ReelsenseArgumentError, match="view socket"):
        socket_model.classify(np.zeros((3, 48)))


def test_one_model_serves_many_threads(model, real_rows):
    wanted = model.classify(real_rows).probability
    wrong: list[str] = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(model.classify(real_rows).probability, wanted):
                wrong.append("differs")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_wrong_models_are_refused_by_kind(root):
    onnx = (root / "models/reelsense-ue/1.0.0/model.onnx").read_bytes()
    with pytest.raises(ReelsenseCorruptError):
        reelsense.Model(onnx[: len(onnx) // 2])
    with pytest.raises(ReelsenseCorruptError):
        reelsense.Model(b"")
    with pytest.raises(ReelsenseLimitError, match="16"):
        reelsense.Model(bytes(17 << 20))
    schema = reelsense.schema_hash("packet").encode()
    with pytest.raises(ReelsenseMismatchError, match="trained on schema"):
        reelsense.Model(onnx.replace(schema, schema[::-1]))
    with pytest.raises(reelsense.ReelsenseError):  # the edge tier's, which the native engine does not read
        reelsense.Model.from_file(root / "models/reelsense-edge/1.0.0/model.onnx")


def test_load_names_what_there_is():
    with pytest.raises(ReelsenseArgumentError, match="reelsense-ue@1.0.0"):
        reelsense.load("reelsense-edge")
    with pytest.raises(ReelsenseArgumentError, match="9.9.9"):
        reelsense.load("reelsense-ue", "9.9.9")


def test_a_damaged_bundle_is_refused(tmp_path, root):
    folder = tmp_path / "1.0.0"
    folder.mkdir()
    manifest = (root / "models/reelsense-ue-linear/1.0.0/manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest)
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ReelsenseCorruptError, match="SHA-256"):
        reelsense.read_bundle(folder).load()
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ReelsenseCorruptError, match=r"manifest\.json"):
        reelsense.read_bundle(folder)


def test_another_abi_version_is_refused():
    with pytest.raises(ReelsenseMismatchError, match="ABI version 2"):
        _core.check_abi(2)


def test_every_status_has_its_error():
    names = {_core.text(_core.lib.rs_status_name(i)) for i in range(1, 9)}
    assert names == set(reelsense.errors.BY_STATUS)
    assert isinstance(_core.error_of(_core.lib.RS_BUSY, ""), reelsense.ReelsenseBusyError)
    assert str(_core.error_of(_core.lib.RS_BUSY, "")) == "RS_BUSY"


def test_struct_types_have_the_size_of_the_abi():
    assert _core.WINDOW.itemsize == 128
    assert _core.WINDOW.fields["decision"][0].itemsize == _core.ffi.sizeof("rs_decision")
    assert _core.PACKET.itemsize == _core.ffi.sizeof("rs_packet")
