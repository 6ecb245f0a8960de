#!/usr/bin/env python3
"""Makes the small ONNX files of this folder and, beside each, rows and the answers of ONNX Runtime.

    <name>.onnx       the model
    <name>.rows.f32   row-major [N, F] float32, little endian: random rows, missing values, values that are
                      exactly a threshold and its float neighbours, and for trees infinities and denormals
    <name>.want.f32   [N] float32: ONNX Runtime's probability of class 1 (or its regression value)

Versions: numpy==1.26.4 onnx==1.23.2 onnxruntime==1.32.0 lightgbm==4.7.0 onnxmltools==1.16.0 skl2onnx==1.20.0
scikit-learn==1.9.1. Run it in this folder; core/model/model_test.cc reads the files.
"""

from __future__ import annotations

import warnings

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from threadpoolctl import threadpool_limits

warnings.filterwarnings("ignore")
ROWS = 128
ML = "ai.onnx.ml"


def make_data(features: int, missing: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, features)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=3000) > 0).astype(int)
    x[rng.random(x.shape) < missing] = np.nan
    return x, y


def thresholds(model: onnx.ModelProto) -> list[tuple[int, np.float32]]:
    """(feature, threshold) of every inner tree node."""
    out = []
    for node in model.graph.node:
        got = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if "nodes_modes" not in got:
            continue
        values = got.get("nodes_values")
        if values is None:
            values = numpy_helper.to_array(got["nodes_values_as_tensor"])
        for mode, feature, value in zip(got["nodes_modes"], got["nodes_featureids"], values, strict=True):
            if mode != b"LEAF":
                out.append((feature, np.float32(value)))
    return out


def make_rows(model: onnx.ModelProto, features: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(ROWS, features)).astype(np.float32)
    rows[16:48][rng.random((32, features)) < 0.2] = np.nan
    rows[48] = np.nan
    edges = thresholds(model)
    if edges:
        for row in rows[64:]:
            for feature, value in (edges[i] for i in rng.integers(len(edges), size=2 * features)):
                direction = np.float32(rng.choice([-np.inf, np.inf]))
                row[feature] = value if rng.random() < 0.5 else np.nextafter(value, direction)
        rows[49], rows[50], rows[51] = np.inf, -np.inf, 0.0
        rows[52], rows[53], rows[54] = -0.0, 1e-42, -1e-42
        rows[55:60][rng.random((5, features)) < 0.3] = np.inf
    return rows


def save(name: str, model: onnx.ModelProto, seed: int = 7) -> None:
    opsets = sorted(model.opset_import, key=lambda entry: entry.domain)  # their order is random
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    rows = make_rows(model, source.shape[1], seed)
    wanted = [o.name for o in session.get_outputs() if "float" in o.type or "double" in o.type]
    answers = session.run(wanted, {source.name: rows})[0].reshape(ROWS, -1)[:, -1].astype(np.float32)
    with open(f"{name}.onnx", "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    rows.astype("<f4").tofile(f"{name}.rows.f32")
    answers.astype("<f4").tofile(f"{name}.want.f32")
    print(f"{name:24} {model.ByteSize():7} bytes  {answers.min():.4f} … {answers.max():.4f}")


def lightgbm_onnx(model: object, features: int) -> onnx.ModelProto:
    initial = [("input", FloatTensorType([None, features]))]
    converted = convert_lightgbm(model, initial_types=initial, target_opset=15, zipmap=False)
    converted.graph.name = "graph"  # otherwise random: the files must come out the same every time
    return converted


def graph_model(
    nodes: list, features: int, outputs: list, initializers: list | None = None
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, features])],
        outputs,
        initializers or [],
    )
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid(ML, 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="make_models.py")


def probability(columns: int = 1) -> list:
    return [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, columns])]


def clean_graph(booster: lgb.Booster, features: int) -> onnx.ModelProto:
    """TreeEnsembleRegressor + Sigmoid, as the project's exporter writes it."""
    converted = lightgbm_onnx(booster, features)
    source = next(n for n in converted.graph.node if n.op_type == "TreeEnsembleClassifier")
    arrays = {}
    for attribute in source.attribute:
        if attribute.name.startswith("nodes_") and attribute.name != "nodes_hitrates":
            arrays[attribute.name] = helper.get_attribute_value(attribute)
        elif attribute.name in ("class_ids", "class_nodeids", "class_treeids", "class_weights"):
            arrays[attribute.name.replace("class_", "target_")] = helper.get_attribute_value(attribute)
    trees = helper.make_node(
        "TreeEnsembleRegressor", ["input"], ["score"], name="trees", domain=ML, n_targets=1, **arrays
    )
    model = graph_model(
        [trees, helper.make_node("Sigmoid", ["score"], ["probability"], name="sigmoid")],
        features,
        probability(),
    )
    helper.set_model_props(model, {"reelsense.name": "test", "reelsense.schema_hash": "0123456789abcdef"})
    return model


class Trees:
    """Collects tree ensemble attributes node by node."""

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self.votes: list[tuple] = []

    def leaf(self, tree: int, node: int, *votes: tuple[int, float]) -> None:
        self.nodes.append((tree, node, 0, "LEAF", 0.0, 0, 0, 0))
        self.votes.extend((tree, node, target, weight) for target, weight in votes)

    def branch(
        self, tree: int, node: int, feature: int, mode: str, value: float, yes: int, no: int, missing: int
    ) -> None:
        self.nodes.append((tree, node, feature, mode, value, yes, no, missing))

    def random_tree(
        self, rng: np.random.Generator, tree: int, features: int, leaves: int, modes: list[str], votes: int
    ) -> None:
        """Splits random leaves of one tree until it has `leaves` of them."""
        children: dict[int, tuple[int, int]] = {}
        open_leaves, count = [0], 1
        while len(open_leaves) < leaves:
            split = open_leaves.pop(int(rng.integers(len(open_leaves))))
            children[split] = (count, count + 1)
            open_leaves += [count, count + 1]
            count += 2
        for node in range(count):
            if node in children:
                value = float(np.float32(rng.normal()))
                self.branch(
                    tree,
                    node,
                    int(rng.integers(features)),
                    str(rng.choice(modes)),
                    value,
                    *children[node],
                    int(rng.integers(2)),
                )
            else:
                self.leaf(tree, node, *((i, float(np.float32(rng.normal()))) for i in range(votes)))

    def attributes(self, prefix: str, double: bool = False) -> dict:
        columns = list(zip(*self.nodes, strict=True))
        names = ["treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"]
        out = {f"nodes_{name}": list(column) for name, column in zip(names, columns, strict=False)}
        out["nodes_missing_value_tracks_true"] = list(columns[7])
        for name, column in zip(
            ["treeids", "nodeids", "ids", "weights"], zip(*self.votes, strict=True), strict=True
        ):
            out[f"{prefix}_{name}"] = list(column)
        if double:
            for name in ("nodes_values", f"{prefix}_weights"):
                values = np.array(out.pop(name), np.float64)
                out[f"{name}_as_tensor"] = numpy_helper.from_array(values, name)
        return out


def hand_made() -> None:
    rng = np.random.default_rng(11)
    # Every comparison, an average, a base value, a tree that is one leaf, a tree that is a chain.
    trees = Trees()
    for tree in range(9):
        trees.random_tree(rng, tree, 8, 12, ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"], 1)
    trees.leaf(9, 0, (0, 0.25))
    for depth in range(20):
        trees.branch(
            10, 2 * depth, depth % 8, "BRANCH_LEQ", 0.1 * depth - 1, 2 * depth + 1, 2 * depth + 2, depth % 2
        )
        trees.leaf(10, 2 * depth + 1, (0, 0.1 * depth))
    trees.leaf(10, 40, (0, -1.0))
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["probability"],
        name="trees",
        domain=ML,
        n_targets=1,
        aggregate_function="AVERAGE",
        base_values=[0.5],
        **trees.attributes("target"),
    )
    save("all_modes", graph_model([node], 8, probability()))

    trees = Trees()
    for tree in range(5):
        trees.random_tree(rng, tree, 6, 9, ["BRANCH_LEQ"], 2)
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["input"],
        ["label", "probability"],
        name="trees",
        domain=ML,
        classlabels_strings=["non-video", "video"],
        post_transform="SOFTMAX",
        **trees.attributes("class"),
    )
    save("two_class_softmax", graph_model([node], 6, probability(2)))

    trees = Trees()
    for tree in range(5):
        trees.random_tree(rng, tree, 6, 9, ["BRANCH_LEQ", "BRANCH_GTE"], 1)
    for i, value in enumerate(trees.nodes):
        trees.nodes[i] = (*value[:4], value[4] * 1.1, *value[5:])  # thresholds between two floats
    nodes = [
        helper.make_node("Cast", ["input"], ["wide"], name="widen", to=TensorProto.DOUBLE),
        helper.make_node(
            "TreeEnsembleRegressor",
            ["wide"],
            ["score"],
            name="trees",
            domain=ML,
            n_targets=1,
            **trees.attributes("target", double=True),
        ),
        helper.make_node("Sigmoid", ["score"], ["probability"], name="sigmoid"),
    ]
    save("double_thresholds", graph_model(nodes, 6, probability()))

    # More leaves than a byte counts, more columns than a vector register: the engine's general path.
    trees = Trees()
    trees.random_tree(rng, 0, 3, 300, ["BRANCH_LEQ"], 1)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["probability"],
        name="trees",
        domain=ML,
        n_targets=1,
        **trees.attributes("target"),
    )
    save("large_tree", graph_model([node], 3, probability()))
    trees = Trees()
    for tree in range(20):
        trees.random_tree(rng, tree, 100, 20, ["BRANCH_LEQ"], 1)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["probability"],
        name="trees",
        domain=ML,
        n_targets=1,
        **trees.attributes("target"),
    )
    save("wide_row", graph_model([node], 100, probability()))
    # 600 thresholds of two features: several columns for one feature. 70 trees: two lane groups.
    trees = Trees()
    for tree in range(70):
        trees.random_tree(rng, tree, 2, 10, ["BRANCH_LEQ"], 1)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["probability"],
        name="trees",
        domain=ML,
        n_targets=1,
        **trees.attributes("target"),
    )
    save("many_thresholds", graph_model([node], 2, probability()))


def lightgbm_models() -> None:
    params = {
        "objective": "binary",
        "num_leaves": 15,
        "verbose": -1,
        "seed": 3,
        "deterministic": True,
        "num_threads": 1,
    }
    x, y = make_data(40, 0.1, 1)
    booster = lgb.train(params, lgb.Dataset(x, y), 40)
    save("lightgbm_clean", clean_graph(booster, 40))
    save("lightgbm_booster", lightgbm_onnx(lgb.train(params, lgb.Dataset(x, y), 20), 40))
    x, y = make_data(6, 0.0, 2)
    common = {"n_estimators": 10, "num_leaves": 15, "verbose": -1, "random_state": 3, "n_jobs": 1}
    save("lightgbm_classifier", lightgbm_onnx(lgb.LGBMClassifier(**common).fit(x, y), 6))
    save("lightgbm_regressor", lightgbm_onnx(lgb.LGBMRegressor(**common).fit(x, y), 6))
    forest = lgb.LGBMClassifier(**common, boosting_type="rf", bagging_freq=1, bagging_fraction=0.5)
    save("lightgbm_forest", lightgbm_onnx(forest.fit(x, y), 6))


def sklearn_models() -> None:
    x, y = make_data(12, 0.0, 4)
    nans, labels = make_data(12, 0.1, 5)

    def convert(pipeline: object) -> onnx.ModelProto:
        return to_onnx(
            pipeline,
            x[:1],
            options=None
            if isinstance(pipeline[-1] if hasattr(pipeline, "steps") else pipeline, LinearRegression)
            else {"zipmap": False},
            target_opset=15,
        )

    save("logistic", convert(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)))
    save(
        "imputed_logistic",
        convert(
            make_pipeline(SimpleImputer(), MinMaxScaler(), Normalizer(), LogisticRegression()).fit(
                nans, labels
            )
        ),
    )
    save("linear", convert(make_pipeline(StandardScaler(), LinearRegression()).fit(x, y)))
    common = {"n_estimators": 8, "max_leaf_nodes": 15, "random_state": 1}
    save("random_forest", convert(RandomForestClassifier(**common).fit(x, y)))
    save(
        "imputed_boosting",
        convert(
            make_pipeline(SimpleImputer(), StandardScaler(), GradientBoostingClassifier(**common)).fit(
                nans, labels
            )
        ),
    )


if __name__ == "__main__":
    with threadpool_limits(1):  # the sums of several threads come out in any order
        lightgbm_models()
        sklearn_models()
        hand_made()
