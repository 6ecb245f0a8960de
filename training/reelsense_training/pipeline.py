"""The steps of a release, each from files to files: dataset, train, evaluate, bench, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import lightgbm as lgb
import numpy as np

from reelsense_training.bench.cells import Rules
from reelsense_training.bench.commands import Run, kept_answers, run_protocol
from reelsense_training.bench.emulate import emulate
from reelsense_training.bench.folds import folds
from reelsense_training.bench.page import write_report
from reelsense_training.bench.trainers import OWN
from reelsense_training.data.dataset import VARIANTS, Corpus, build_corpus
from reelsense_training.data.extractor import Extractor, FeatureSchema
from reelsense_training.data.lab import LabCorpus, load_lab_corpus, with_lab
from reelsense_training.data.parts import Part, lab_part
from reelsense_training.data.series import SOURCES
from reelsense_training.fit import ablation
from reelsense_training.fit import candidates as cand
from reelsense_training.fit.calibrate import Platt
from reelsense_training.fit.candidates import Candidate
from reelsense_training.fit.evaluate import Bench, Decision, HeldOut, nested_held_out
from reelsense_training.fit.splits import Budget
from reelsense_training.model.forest import fold_calibration
from reelsense_training.model.linear import Linear
from reelsense_training.model.metadata import Contract
from reelsense_training.release.bundle import Release, rewrite_card, write_bundle
from reelsense_training.release.histograms import reference_histograms
from reelsense_training.release.lab import lab_table
from reelsense_training.release.lab_trainers import UeTrainer
from reelsense_training.release.report import (
    bench_of,
    conditions_json,
    held_out_json,
    known_json,
    public_json,
    rounded,
)
from reelsense_training.views import OTHER_VIEWS, build_view_corpus

Progress = Callable[[str], None]
VERSION = "1.0.0"
SEEDS = (1, 2)
BUDGET = Budget(active_per_flow=4, light_per_flow=1)
BENCH_FOLDS = 16
BENCH_SEEDS = 1
CONTROL_FOLDS = 2
EDGE_ANSWERS = Path("reelsense-edge", "reelbench", "answers.npz")  # in the work folder
METHOD = (
    "{sources}: windows as recorded, over other links (token bucket 0.5–10 Mbit/s with 50 ms–2 s of queue, ACKs "
    "thinned 2–8:1, other phases) and by other collectors (lost packets, receive offload, coarse clock), features by "
    "the C++ extractor; {windows} windows, at most {active} active and {light} light a flow and variant; light windows "
    "weigh {light_weight} of active ones, sources and classes alike, the lab's workloads alike in it, and classes "
    "half-way to alike at each age of a flow. {fitted} Chosen among {candidates} on sources and app designs that the "
    "candidate had not seen."
)


class StepError(Exception):
    """A step was asked for before the one that it reads from."""


@dataclass(frozen=True)
class Product:
    """One released model."""

    name: str
    kind: str
    description: str
    fitted: str
    view: str = "packet"

    def candidates(self, schema: FeatureSchema) -> tuple[Candidate, ...]:
        return cand.tree_candidates(schema) if self.kind == "trees" else cand.linear_candidates(schema)


PRODUCTS = (
    Product(
        "reelsense-ue", "trees",
        "Video or not, per flow and second, on the device: monotone boosted trees on the packet view.",
        "LightGBM, extra-random trees, monotone where physics gives the sign.",
    ),
    Product(
        "reelsense-ue-linear", "linear",
        "Video or not, per flow and second: logistic regression on the packet view, the trees' yardstick.",
        "Logistic regression on standardised features.",
    ),
    Product(
        "reelsense-ue-socket", "trees",
        "Video or not, per connection and second, from the bytes an app reads and writes on a socket.",
        "LightGBM, extra-random trees, monotone where physics gives the sign.", "socket",
    ),
    Product(
        "reelsense-ue-record", "trees",
        "Video or not, per flow record: for NetFlow and IPFIX collectors.",
        "LightGBM, extra-random trees, monotone where physics gives the sign.", "record",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Workspace:
    """Where things are. ``work`` holds caches and intermediate files and may be deleted at any time."""

    repository: Path
    data: Path
    program: Path
    work: Path
    models: Path
    lab: Path | None = None  # sessions of the traffic lab; without them a model learns from public sources alone

    @property
    def cache(self) -> Path:
        return self.work / "cache"


@dataclass(frozen=True)
class Trained:
    """A fitted, calibrated model with all that its manifest needs but the figures."""

    product: Product
    candidate: Candidate
    decision: Decision
    scores: dict[str, float]
    model: lgb.Booster | Linear


def train(product: Product, bench: Bench) -> Trained:
    """Chooses by out-of-source predictions, fits on every source, folds the calibration in."""
    options = product.candidates(bench.schema)
    bench.prefit(options, nested=False)
    candidate, decision, scores = bench.choose(options)
    raw = bench.model(candidate, frozenset())
    platt = decision.platt
    if isinstance(raw, lgb.Booster):
        model: lgb.Booster | Linear = fold_calibration(raw, platt.slope, platt.offset)
    else:
        model = raw.calibrated(platt.slope, platt.offset)
    return Trained(product, candidate, decision, scores, model)


def evaluate(trained: Trained, corpus: Corpus, benches: list[Bench], progress: Progress) -> tuple[dict, dict]:
    """``metrics`` and ``reference_histograms`` of the manifest."""
    options = trained.product.candidates(corpus.schema)
    runs: list[HeldOut] = [nested_held_out(bench, options) for bench in benches]
    known = benches[0].out_of_group(trained.candidate)
    progress(f"{trained.product.name}: controls")
    seed = benches[0].seed
    controls = {
        "shuffled_labels": ablation.shuffled_labels(corpus, trained.candidate, BUDGET, seed),
        "age": ablation.age_ablation(benches[0], trained.candidate),
        "collector_leak": ablation.collector_leak(
            corpus, {"all": corpus.schema.names, "chosen": trained.candidate.features}, BUDGET, seed
        ),
    }
    metrics = {
        "definition": "mean of requet balanced accuracy, ucdavis balanced accuracy, (uu recall + dpi_tests "
        "specificity) / 2; recorded active windows (>= 10 packets and >= 20 kB down)",
        "held_out": held_out_json(runs),
        "known": known_json(known, trained.decision),
        "conditions": conditions_json(corpus, runs[0], known, trained.decision),
        "controls": {k: {n: rounded(v) for n, v in values.items()} for k, values in controls.items()},
        "training_windows": len(benches[0].training),
        "choice": {name: rounded(score) for name, score in trained.scores.items()},
    }
    active = known.take(known.windows.active)
    rows = cand.columns(active.windows, corpus.schema, trained.candidate.features)
    probability = trained.decision.platt.apply(active.logit)
    return metrics, reference_histograms(active.windows, rows, trained.candidate.features, probability)


def release(trained: Trained, corpus: Corpus, metrics: dict, histograms: dict) -> Release:
    schema, decision = corpus.schema, trained.decision
    contract = Contract(
        trained.product.name, VERSION, schema.view, schema.schema_hash, trained.candidate.features,
        decision.threshold, decision.uncertain,
    )  # fmt: skip
    candidates = trained.product.candidates(schema)
    training_data = {
        "digest": corpus.data_sha256,
        "lab_digest": corpus.lab_sha256,
        "digest_of": "SHA-256 over '<file> <SHA-256>' lines of the source files",
        "sources": {s.name: s.note for s in SOURCES},
        "variants": [asdict(variant) for variant in VARIANTS],
        "method": METHOD.format(
            sources="Public sources and the traffic lab" if corpus.lab_sha256 else "Public sources",
            windows=metrics["training_windows"], active=BUDGET.active_per_flow, light=BUDGET.light_per_flow,
            light_weight=cand.LIGHT_WEIGHT, fitted=trained.product.fitted,
            candidates=", ".join(f"`{c.name}`" for c in candidates),
        ),
        "chosen": trained.candidate.name,
        "parameters": asdict(trained.candidate.trees)
        if trained.candidate.kind == "trees"
        else {"strength": trained.candidate.strength},
        "seed": SEEDS[0],
    }  # fmt: skip
    calibration = {
        "method": "Platt's map, fitted on out-of-source predictions, folded into the model: model.onnx "
        "outputs the calibrated probability.",
        "slope": float(f"{decision.platt.slope:.6g}"),
        "offset": float(f"{decision.platt.offset:.6g}"),
    }
    return Release(
        contract, trained.model, trained.product.description, calibration, metrics, training_data, histograms
    )


def _folder(space: Workspace, product: Product) -> Path:
    folder = space.work / product.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save_trained(trained: Trained, folder: Path) -> Path:
    """trained.json and, for trees, lightgbm.txt."""
    decision = trained.decision
    state = {
        "candidate": trained.candidate.name,
        "platt": [decision.platt.slope, decision.platt.offset],
        "threshold": decision.threshold,
        "uncertain": list(decision.uncertain),
        "scores": trained.scores,
    }
    if isinstance(trained.model, lgb.Booster):
        (folder / "lightgbm.txt").write_text(trained.model.model_to_string(num_iteration=-1))
    else:
        arrays = {k: v.tolist() for k, v in asdict(trained.model).items() if k != "bias"}
        state["linear"] = {**arrays, "bias": trained.model.bias}
    path = folder / "trained.json"
    path.write_text(json.dumps(state, indent=1) + "\n")
    return path


def load_trained(product: Product, schema: FeatureSchema, folder: Path) -> Trained:
    try:
        state = json.loads((folder / "trained.json").read_text())
        candidate = next(c for c in product.candidates(schema) if c.name == state["candidate"])
        if product.kind == "trees":
            model: lgb.Booster | Linear = lgb.Booster(model_str=(folder / "lightgbm.txt").read_text())
        else:
            arrays = {k: np.array(v, np.float32) for k, v in state["linear"].items() if k != "bias"}
            model = Linear(**arrays, bias=state["linear"]["bias"])
    except FileNotFoundError as error:
        raise StepError(f"{error.filename}: absent; run `reelsense-train train` first") from error
    decision = Decision(Platt(*state["platt"]), state["threshold"], tuple(state["uncertain"]))
    return Trained(product, candidate, decision, state["scores"], model)


class Pipeline:
    """The steps over one workspace; what two steps share is made once."""

    def __init__(self, space: Workspace, products: tuple[Product, ...], progress: Progress) -> None:
        self.space, self.products, self.progress = space, products, progress
        self._benches: dict[tuple[str, int], Bench] = {}
        self._views: dict[str, Corpus] = {}

    @cached_property
    def extractor(self) -> Extractor:
        return Extractor(self.space.program)

    @cached_property
    def public(self) -> Corpus:
        return build_corpus(self.space.data, self.extractor, self.space.cache, self.progress)

    @cached_property
    def lab(self) -> LabCorpus | None:
        if self.space.lab is None:
            return None
        return load_lab_corpus(self.space.lab, self.extractor, self.space.cache, self.progress)

    @cached_property
    def corpus(self) -> Corpus:
        """The packet view's windows, the lab's behind the public ones."""
        return self.public if self.lab is None else with_lab(self.public, self.lab)

    @cached_property
    def beside(self) -> tuple[Part, ...]:
        """What views that are made of packet series read besides the public ones."""
        return () if self.lab is None else (lab_part(self.lab.lab),)

    def corpus_of(self, product: Product) -> Corpus:
        if product.view not in OTHER_VIEWS:
            return self.corpus
        if product.view not in self._views:
            space = self.space
            self._views[product.view] = build_view_corpus(
                space.data, space.program, product.view, space.cache, self.progress, self.beside
            )
        return self._views[product.view]

    def bench(self, product: Product, seed: int) -> Bench:
        key = (product.view, seed)
        if key not in self._benches:
            self._benches[key] = Bench(self.corpus_of(product), BUDGET, seed, self.progress)
        return self._benches[key]

    def train(self) -> list[Path]:
        """Each step returns the files or folders that it wrote."""
        written = []
        for product in self.products:
            trained = train(product, self.bench(product, SEEDS[0]))
            written.append(save_trained(trained, _folder(self.space, product)))
            self.progress(f"{product.name}: chose {trained.candidate.name}")
        return written

    def evaluate(self) -> list[Path]:
        written = []
        for product in self.products:
            benches = [self.bench(product, seed) for seed in SEEDS]
            folder, corpus = _folder(self.space, product), self.corpus_of(product)
            trained = load_trained(product, corpus.schema, folder)
            metrics, histograms = evaluate(trained, corpus, benches, self.progress)
            found = {"metrics": metrics, "histograms": histograms}
            written.append(folder / "evaluation.json")
            written[-1].write_text(json.dumps(found, indent=1) + "\n")
            self.progress(f"{product.name}: held-out headline {metrics['held_out']['headline']}")
        return written

    def reelbench(self) -> list[Path]:
        """ReelBench of each product of the packet view: its procedure again, with designs and paths held out.

        Uncertain windows are escalated to the edge model's held-out answers, where its own ReelBench left some
        (``python -m reelsense_training.edge bench``). Controls are those of ReelBench's own trees, which learn from the
        lab alone, so that labels can be shuffled.
        """
        written = []
        for product in self.products:
            if self.lab is None or product.view in OTHER_VIEWS:
                continue
            folder = _folder(self.space, product)
            trained = load_trained(product, self.corpus.schema, folder)
            found = json.loads((folder / "evaluation.json").read_text())
            trainer = UeTrainer(product.name, self.public, trained.candidate, BUDGET)
            lab, main = self.lab.lab, product is self.products[0]
            edge = kept_answers(self.space.work / EDGE_ANSWERS, lab) if main else None
            if main and edge is None:
                self.progress("no held-out answers of the edge model: escalation is left out")
            run = Run(
                lab, folds(lab.sessions, limit=BENCH_FOLDS), trainer, Rules(), f"{product.name} {VERSION}", "ue",
                BENCH_SEEDS if main else 1,
                emulate(lab, self.extractor, self.space.cache, progress=self.progress),
                self.lab.augmented(), edge, OWN["trees"] if main else None,
                CONTROL_FOLDS, public_json(found["metrics"]),
                "the released procedure, public sources and the fold's training sessions together",
            )  # fmt: skip
            written += write_report(run_protocol(run, self.progress), folder / "reelbench")
        return written

    def export(self) -> list[Path]:
        written = []
        for product in self.products:
            folder, corpus = _folder(self.space, product), self.corpus_of(product)
            trained = load_trained(product, corpus.schema, folder)
            try:
                found = json.loads((folder / "evaluation.json").read_text())
            except FileNotFoundError as error:
                raise StepError(f"{error.filename}: absent; run `reelsense-train evaluate` first") from error
            metrics = found["metrics"]
            if bench := bench_of(folder, corpus.lab_sha256):
                metrics["lab"] = bench
            made = release(trained, corpus, metrics, found["histograms"])
            written.append(write_bundle(made, self.space.models, self.space.repository))
            self.progress(f"{product.name}: wrote {written[-1]}")
        return written


def dataset_table(corpus: Corpus) -> str:
    """Windows by source, class and variant: all, and active ones."""
    windows = corpus.windows
    lines = [f"{'source':<10} {'class':<10} {'variant':<10} {'windows':>9} {'active':>9}"]
    for s, source in enumerate(SOURCES):
        for video, label in ((True, "video"), (False, "non-video")):
            for v, variant in enumerate(VARIANTS):
                mask = (windows.source == s) & (windows.video == video) & (windows.variant == v)
                counts = np.count_nonzero(mask), np.count_nonzero(mask & windows.active)
                if counts[0]:
                    lines.append(
                        f"{source.name:<10} {label:<10} {variant.name:<10} {counts[0]:>9} {counts[1]:>9}"
                    )
    return "\n".join(lines)


def cards(models: Path, products: tuple[Product, ...]) -> list[Path]:
    """Writes the model card of each released bundle again, from its manifest; returns the cards' paths."""
    written = []
    for product in products:
        folder = models / product.name / VERSION
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
        except FileNotFoundError as error:
            raise StepError(f"{error.filename}: absent; run `reelsense-train all` first") from error
        written.append(rewrite_card(folder, manifest))
    return written


def lab_tables(space: Workspace, products: tuple[Product, ...]) -> str:
    """Figures of the released models on the lab captures, a table a model."""
    captures = space.repository / "tests" / "captures"
    tables = []
    for product in products:
        if product.view in OTHER_VIEWS:
            continue  # a capture is packets
        model = space.models / product.name / VERSION / "model.onnx"
        tables.append(f"{product.name} {VERSION}\n\n{lab_table(space.program, model, captures)}")
    return "\n\n".join(tables)
