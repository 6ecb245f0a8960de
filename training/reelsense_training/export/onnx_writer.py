"""model.onnx: one TreeEnsembleRegressor (or Scaler + LinearRegressor) and a Sigmoid.

Input ``features`` float32 ``[N, F]`` in the order of ``reelsense.features``; output ``probability`` float32
``[N, 1]``, calibrated. Opset 15 and ai.onnx.ml 3: read by the native engine, ONNX Runtime and OpenVINO.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from reelsense_training import __version__
from reelsense_training.model.forest import Forest, Tree
from reelsense_training.model.linear import Linear
from reelsense_training.model.metadata import Contract

OPSET = 15
ML_OPSET = 3
IR_VERSION = 8


def _tree_nodes(tree: Tree) -> list[tuple[str, int, float, int, int, int]]:
    """(mode, feature, value, true child, false child, nan goes left) in ONNX numbering: inner nodes, then
    leaves.
    """
    inner = tree.inner

    def number(child: int) -> int:
        return child if child >= 0 else inner - child - 1

    nodes = [
        # LightGBM trained without missing values reads NaN as 0: the default branch is the one that 0 takes.
        ("BRANCH_LEQ", int(f), float(t), number(int(a)), number(int(b)), int(t >= 0))
        for f, t, a, b in zip(tree.feature, tree.threshold, tree.left, tree.right, strict=True)
    ]
    return nodes + [("LEAF", 0, 0.0, 0, 0, 0)] * len(tree.leaf)


def _tree_ensemble(forest: Forest) -> onnx.NodeProto:
    per_tree = [_tree_nodes(tree) for tree in forest.trees]
    flat = [node for nodes in per_tree for node in nodes]
    leaves = [(t, tree.inner + j, v) for t, tree in enumerate(forest.trees) for j, v in enumerate(tree.leaf)]
    attributes = {
        "nodes_treeids": [t for t, nodes in enumerate(per_tree) for _ in nodes],
        "nodes_nodeids": [i for nodes in per_tree for i in range(len(nodes))],
        "nodes_modes": [node[0] for node in flat],
        "nodes_featureids": [node[1] for node in flat],
        "nodes_values": [node[2] for node in flat],
        "nodes_truenodeids": [node[3] for node in flat],
        "nodes_falsenodeids": [node[4] for node in flat],
        "nodes_missing_value_tracks_true": [node[5] for node in flat],
        "target_treeids": [t for t, _, _ in leaves],
        "target_nodeids": [i for _, i, _ in leaves],
        "target_ids": [0] * len(leaves),
        "target_weights": [float(np.float32(v)) for _, _, v in leaves],
        "base_values": [forest.base],
        "n_targets": 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
    }
    return helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["logit"], "trees", domain="ai.onnx.ml", **attributes
    )


def _linear(linear: Linear) -> list[onnx.NodeProto]:
    scaler = helper.make_node(
        "Scaler", ["features"], ["scaled"], "scaler", domain="ai.onnx.ml",
        offset=[float(v) for v in linear.mean], scale=[float(v) for v in linear.scale],
    )  # fmt: skip
    regressor = helper.make_node(
        "LinearRegressor", ["scaled"], ["logit"], "linear", domain="ai.onnx.ml",
        coefficients=[float(v) for v in linear.weights], intercepts=[float(linear.bias)],
        targets=1, post_transform="NONE",
    )  # fmt: skip
    return [scaler, regressor]


def to_onnx(model: Forest | Linear, contract: Contract) -> bytes:
    """Bytes of model.onnx. Raises ValueError where model and contract disagree."""
    if model.inputs != len(contract.features):
        raise ValueError(
            f"the model reads {model.inputs} features, its contract names {len(contract.features)}"
        )
    nodes = [_tree_ensemble(model)] if isinstance(model, Forest) else _linear(model)
    nodes.append(helper.make_node("Sigmoid", ["logit"], ["probability"], "sigmoid"))
    graph = helper.make_graph(
        nodes,
        contract.name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", model.inputs])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    proto = helper.make_model(
        graph, opset_imports=opsets, producer_name="reelsense-train", producer_version=__version__
    )
    proto.ir_version = IR_VERSION
    helper.set_model_props(proto, contract.props())
    onnx.checker.check_model(proto)
    return proto.SerializeToString(deterministic=True)
