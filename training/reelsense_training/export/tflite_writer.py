"""model.tflite: the same model from TFLite built-in operators, float32, any batch size.

A tree is evaluated without branches: compare every inner node at once, add up the answers along every leaf's
path, and the one leaf whose whole path agrees gives its value.

    x [N, F] ── GATHER ─► values [N, T*I] ── LESS_EQUAL thresholds ─► CAST ─► RESHAPE [N, T, 1, I]
      ── BATCH_MATMUL paths [T, I, L] ─► RESHAPE [N, T*L] ── EQUAL lefts [T*L] ─► CAST
      ── FULLY_CONNECTED leaf values ─► LOGISTIC ─► probability [N, 1]

``paths`` holds +1 where the leaf is on the node's left, -1 on its right, 0 elsewhere; ``lefts`` is the
number of +1 of a leaf, reached only by the row that answers every node as the path does. Padding leaves ask
for more lefts than any path has, so they are never reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl
from numpy.typing import NDArray

from reelsense_training.model.forest import Forest, Tree
from reelsense_training.model.linear import Linear
from reelsense_training.model.metadata import Contract

FLOAT32, INT32, BOOL = tfl.TensorType.FLOAT32, tfl.TensorType.INT32, tfl.TensorType.BOOL
_NUMPY = {FLOAT32: np.float32, INT32: np.int32}
_UNREACHABLE = 1_000.0  # more lefts than any path has


@dataclass
class _Graph:
    """Collects tensors, constants and operators of one subgraph."""

    tensors: list[tfl.TensorT] = field(default_factory=list)
    buffers: list[tfl.BufferT] = field(default_factory=lambda: [tfl.BufferT()])
    operators: list[tfl.OperatorT] = field(default_factory=list)
    codes: list[tuple[int, int]] = field(default_factory=list)

    def tensor(self, name: str, shape: list[int], kind: int, dynamic: bool = True) -> int:
        """A computed tensor; ``dynamic`` leaves its first dimension open."""
        t = tfl.TensorT()
        t.name, t.type, t.buffer, t.shape = name, kind, 0, shape
        if dynamic:
            t.shapeSignature = [-1, *shape[1:]]
        self.tensors.append(t)
        return len(self.tensors) - 1

    def constant(self, name: str, values: NDArray, kind: int) -> int:
        buffer = tfl.BufferT()
        data = np.ascontiguousarray(values, dtype=_NUMPY[kind])
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        self.buffers.append(buffer)
        index = self.tensor(name, list(data.shape), kind, dynamic=False)
        self.tensors[index].buffer = len(self.buffers) - 1
        return index

    def operator(
        self, code: int, version: int, inputs: list[int], output: int,
        options_type: int = tfl.BuiltinOptions.NONE, options: object = None,
    ) -> int:  # fmt: skip
        key = (code, version)
        if key not in self.codes:
            self.codes.append(key)
        op = tfl.OperatorT()
        op.opcodeIndex = self.codes.index(key)
        op.inputs, op.outputs = inputs, [output]
        op.builtinOptionsType, op.builtinOptions = options_type, options
        self.operators.append(op)
        return output


def _paths(tree: Tree) -> list[dict[int, int]]:
    """For each leaf: inner node -> +1 if the leaf is on its left, -1 if on its right."""
    found: list[dict[int, int]] = [{} for _ in tree.leaf]
    stack: list[tuple[int, dict[int, int]]] = [(0 if tree.inner else -1, {})]
    while stack:
        node, path = stack.pop()
        if node < 0:
            found[-node - 1] = path
            continue
        stack.append((int(tree.left[node]), {**path, node: 1}))
        stack.append((int(tree.right[node]), {**path, node: -1}))
    return found


def _forest_tables(forest: Forest) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Feature [T*I], threshold [T*I], paths [T, I, L], lefts [T*L] and leaf values [1, T*L], padded."""
    trees = len(forest.trees)
    inner = max(1, max(t.inner for t in forest.trees))
    leaves = max(len(t.leaf) for t in forest.trees)
    feature = np.zeros((trees, inner), np.int32)
    threshold = np.zeros((trees, inner), np.float32)
    paths = np.zeros((trees, inner, leaves), np.float32)
    lefts = np.full((trees, leaves), _UNREACHABLE, np.float32)
    values = np.zeros((trees, leaves), np.float32)
    for t, tree in enumerate(forest.trees):
        feature[t, : tree.inner], threshold[t, : tree.inner] = tree.feature, tree.threshold
        values[t, : len(tree.leaf)] = tree.leaf
        for leaf, path in enumerate(_paths(tree)):
            lefts[t, leaf] = sum(1 for side in path.values() if side > 0)
            for node, side in path.items():
                paths[t, node, leaf] = side
    return feature.ravel(), threshold.ravel(), paths, lefts.ravel(), values.reshape(1, -1)


def _cast(graph: _Graph, source: int, width: int, name: str) -> int:
    options = tfl.CastOptionsT()
    options.inDataType, options.outDataType = BOOL, FLOAT32
    out = graph.tensor(name, [1, width], FLOAT32)
    return graph.operator(tfl.BuiltinOperator.CAST, 1, [source], out, tfl.BuiltinOptions.CastOptions, options)


def _reshape(graph: _Graph, source: int, shape: list[int], name: str) -> int:
    target = graph.constant(f"{name}_shape", np.array([-1, *shape], np.int32), INT32)
    options = tfl.ReshapeOptionsT()
    options.newShape = [-1, *shape]
    out = graph.tensor(name, [1, *shape], FLOAT32)
    return graph.operator(
        tfl.BuiltinOperator.RESHAPE, 1, [source, target], out, tfl.BuiltinOptions.ReshapeOptions, options
    )


def _dense(graph: _Graph, source: int, weights: NDArray, bias: float) -> int:
    inputs = [source, graph.constant("weights", weights, FLOAT32), graph.constant("base", [bias], FLOAT32)]
    options = tfl.FullyConnectedOptionsT()
    options.fusedActivationFunction = tfl.ActivationFunctionType.NONE
    options.weightsFormat = tfl.FullyConnectedOptionsWeightsFormat.DEFAULT
    out = graph.tensor("logit", [1, 1], FLOAT32)
    return graph.operator(
        tfl.BuiltinOperator.FULLY_CONNECTED, 1, inputs, out,
        tfl.BuiltinOptions.FullyConnectedOptions, options,
    )  # fmt: skip


def _forest_logit(graph: _Graph, features: int, forest: Forest) -> int:
    feature, threshold, paths, lefts, values = _forest_tables(forest)
    trees, inner, leaves = paths.shape
    gather = tfl.GatherOptionsT()
    gather.axis, gather.batchDims = 1, 0
    node_values = graph.operator(
        tfl.BuiltinOperator.GATHER, 1, [features, graph.constant("node_feature", feature, INT32)],
        graph.tensor("node_values", [1, trees * inner], FLOAT32), tfl.BuiltinOptions.GatherOptions, gather,
    )  # fmt: skip
    answers = graph.operator(
        tfl.BuiltinOperator.LESS_EQUAL, 1,
        [node_values, graph.constant("node_threshold", threshold.reshape(1, -1), FLOAT32)],
        graph.tensor("goes_left", [1, trees * inner], BOOL),
        tfl.BuiltinOptions.LessEqualOptions, tfl.LessEqualOptionsT(),
    )  # fmt: skip
    numbers = _cast(graph, answers, trees * inner, "goes_left_f")
    per_tree = _reshape(graph, numbers, [trees, 1, inner], "per_tree")
    matmul = tfl.BatchMatMulOptionsT()
    matmul.adjX = matmul.adjY = matmul.asymmetricQuantizeInputs = False
    sums = graph.operator(
        tfl.BuiltinOperator.BATCH_MATMUL, 1, [per_tree, graph.constant("paths", paths[None], FLOAT32)],
        graph.tensor("path_sums", [1, trees, 1, leaves], FLOAT32),
        tfl.BuiltinOptions.BatchMatMulOptions, matmul,
    )  # fmt: skip
    flat = _reshape(graph, sums, [trees * leaves], "leaf_sums")
    reached = graph.operator(
        tfl.BuiltinOperator.EQUAL, 1, [flat, graph.constant("leaf_lefts", lefts.reshape(1, -1), FLOAT32)],
        graph.tensor("reached", [1, trees * leaves], BOOL),
        tfl.BuiltinOptions.EqualOptions, tfl.EqualOptionsT(),
    )  # fmt: skip
    return _dense(graph, _cast(graph, reached, trees * leaves, "reached_f"), values, forest.base)


def _linear_logit(graph: _Graph, features: int, linear: Linear) -> int:
    sub, mul = tfl.SubOptionsT(), tfl.MulOptionsT()
    sub.fusedActivationFunction = mul.fusedActivationFunction = tfl.ActivationFunctionType.NONE
    width = linear.inputs
    centred = graph.operator(
        tfl.BuiltinOperator.SUB, 1,
        [features, graph.constant("mean", linear.mean.reshape(1, -1), FLOAT32)],
        graph.tensor("centred", [1, width], FLOAT32), tfl.BuiltinOptions.SubOptions, sub,
    )  # fmt: skip
    scaled = graph.operator(
        tfl.BuiltinOperator.MUL, 1,
        [centred, graph.constant("scale", linear.scale.reshape(1, -1), FLOAT32)],
        graph.tensor("scaled", [1, width], FLOAT32), tfl.BuiltinOptions.MulOptions, mul,
    )  # fmt: skip
    return _dense(graph, scaled, linear.weights.reshape(1, -1), linear.bias)


def to_tflite(model: Forest | Linear, contract: Contract) -> bytes:
    """Bytes of model.tflite. Its metadata stays in manifest.json and model.onnx."""
    graph = _Graph()
    features = graph.tensor("features", [1, model.inputs], FLOAT32)
    make = _forest_logit if isinstance(model, Forest) else _linear_logit
    logit = make(graph, features, model)
    probability = graph.tensor("probability", [1, 1], FLOAT32)
    graph.operator(tfl.BuiltinOperator.LOGISTIC, 1, [logit], probability)

    subgraph = tfl.SubGraphT()
    subgraph.name, subgraph.tensors, subgraph.operators = contract.name, graph.tensors, graph.operators
    subgraph.inputs, subgraph.outputs = [features], [probability]
    result = tfl.ModelT()
    result.version = 3
    result.description = f"{contract.name} {contract.version}"
    result.subgraphs, result.buffers = [subgraph], graph.buffers
    result.operatorCodes = [_operator_code(code, version) for code, version in graph.codes]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(result.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _operator_code(code: int, version: int) -> tfl.OperatorCodeT:
    result = tfl.OperatorCodeT()
    result.builtinCode, result.deprecatedBuiltinCode, result.version = code, min(code, 127), version
    return result
