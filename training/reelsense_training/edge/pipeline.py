"""The edge model's steps, each from files to files: train, evaluate, bench, export, parity."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from reelsense_training.bench.cells import Rules
from reelsense_training.bench.commands import Run, run_protocol
from reelsense_training.bench.emulate import emulate
from reelsense_training.bench.folds import folds
from reelsense_training.bench.page import write_report
from reelsense_training.data.dataset import VARIANTS
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.lab import LabCorpus
from reelsense_training.data.parts import DRAWN_FLOWS, DRAWN_SEED, drawn_digest
from reelsense_training.data.series import SOURCES, data_digest
from reelsense_training.edge.contract import EdgeContract
from reelsense_training.edge.drawn import drawn_sequences
from reelsense_training.edge.evaluate import EdgeBench, as_windows, nested_held_out
from reelsense_training.edge.export import EdgeRelease, write_bundle
from reelsense_training.edge.lab import lab_sequences
from reelsense_training.edge.lab_trainer import EdgeTrainer
from reelsense_training.edge.model import EdgeModel
from reelsense_training.edge.network import Network
from reelsense_training.edge.parity import largest_differences
from reelsense_training.edge.predict import probabilities
from reelsense_training.edge.sequences import Sequences, join, load_public
from reelsense_training.edge.settings import default_settings
from reelsense_training.fit.calibrate import Platt
from reelsense_training.fit.evaluate import Decision, decide
from reelsense_training.release.histograms import reference_histograms
from reelsense_training.release.report import bench_of, held_out_json, known_json, public_json, rounded

NAME, VERSION = "reelsense-edge", "1.0.0"
DESCRIPTION = "Video or not, per flow and second, on the edge or in the cloud: CNN over 50 ms bins, GRU over seconds."
METHOD = (
    "Sequences of a flow's windows as recorded and as other links and collectors would show them, features and bins "
    "by the C++ extractor. Sources and classes weigh alike. Inputs are disturbed: noise, one shift a sequence, "
    "features dropped. Drawn apps, simulated flows whose habits and paths are random (docs/adr/0010-drawn-apps.md), "
    "weigh as one source more; they are trained on and never evaluated or calibrated on. The probability is the mean "
    "logit of the members through Platt's map."
)
SEEDS = (1, 2)
BENCH_FOLDS = 16
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Space:
    """Where things are; ``work`` may be deleted."""

    repository: Path
    data: Path
    program: Path
    work: Path
    models: Path

    @property
    def folder(self) -> Path:
        path = self.work / NAME
        path.mkdir(parents=True, exist_ok=True)
        return path


class EdgePipeline:
    """The steps over one workspace. ``lab`` sequences, if given, train beside the public ones."""

    def __init__(self, space: Space, progress: Progress, lab: LabCorpus | None = None) -> None:
        self.space, self.progress, self.corpus = space, progress, lab
        self.lab = None if lab is None else lab_sequences(lab.windows, lab.lab.sessions)
        self.lab_digest = "" if lab is None else lab.lab.digest
        self._benches: dict[int, EdgeBench] = {}

    @cached_property
    def extractor(self) -> Extractor:
        return Extractor(self.space.program)

    @cached_property
    def public(self) -> Sequences:
        cache = self.space.work / "cache"
        return load_public(self.space.data, self.extractor, cache, progress=self.progress)[0]

    @cached_property
    def base(self) -> Sequences:
        """Public sources and drawn apps."""
        return join([self.public, drawn_sequences(self.extractor, self.space.work / "cache", self.progress)])

    def bench(self, seed: int) -> EdgeBench:
        """One a seed, so that `all` fits each network once."""
        if seed not in self._benches:
            sequences = self.base if self.lab is None else join([self.base, self.lab])
            settings = default_settings(self.extractor.schema)
            self._benches[seed] = EdgeBench(sequences, settings, seed, self.progress)
        return self._benches[seed]

    def train(self) -> list[Path]:
        """Fits on everything, calibrates on out-of-source predictions."""
        bench = self.bench(SEEDS[0])
        decision = decide(bench.out_of_source())
        model = bench.model(frozenset())
        slope, offset = (float(f"{v:.6g}") for v in (decision.platt.slope, decision.platt.offset))
        model.calibrate(slope, offset)
        weights, state = self.space.folder / "network.pt", self.space.folder / "trained.json"
        torch.save(model.network.state_dict(), weights)
        found = {
            "slope": slope, "offset": offset, "threshold": decision.threshold, "uncertain": decision.uncertain,
            "lab_digest": self.lab_digest,
        }  # fmt: skip
        state.write_text(json.dumps(found, indent=1) + "\n")
        return [weights, state]

    def trained(self) -> tuple[EdgeModel, dict]:
        settings = default_settings(self.extractor.schema)
        network = Network(settings.shape())
        network.load_state_dict(torch.load(self.space.folder / "network.pt"))
        return EdgeModel(network.eval(), settings), json.loads((self.space.folder / "trained.json").read_text())

    def evaluate(self, seeds: tuple[int, ...] = SEEDS) -> list[Path]:
        """The nested figures on public sources; histograms of what the released model says there."""
        runs = [nested_held_out(self.bench(seed)) for seed in seeds]
        model, state = self.trained()
        decision = Decision(Platt(state["slope"], state["offset"]), state["threshold"], tuple(state["uncertain"]))
        recorded = self.public.select(self.public.first("recorded"))
        windows, probability = as_windows(recorded), probabilities(model, recorded)
        windows, probability = windows.take(recorded.active), probability[recorded.active]
        names = self.extractor.schema.names
        found = {
            "metrics": {
                "definition": "mean of requet balanced accuracy, ucdavis balanced accuracy, (uu recall + dpi_tests "
                "specificity) / 2; recorded active windows (>= 10 packets and >= 20 kB down)",
                "held_out": held_out_json(runs),
                "known": known_json(self.bench(seeds[0]).out_of_group(), decision),
                "training_windows": len(self.base) + (0 if self.lab is None else len(self.lab)),
            },
            "histograms": reference_histograms(windows, windows.rows, names, probability),
        }
        path = self.space.folder / "evaluation.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        self.progress(f"{NAME}: held-out headline {rounded(float(np.mean([run.headline() for run in runs])))}")
        return [path]

    def reelbench(self) -> list[Path]:
        """ReelBench of the procedure, designs and paths held out; the answers are kept for the device models' run."""
        if self.corpus is None:
            return []
        lab, cache = self.corpus.lab, self.space.work / "cache"
        found = json.loads((self.space.folder / "evaluation.json").read_text())
        run = Run(
            lab, folds(lab.sessions, limit=BENCH_FOLDS),
            EdgeTrainer(self.base, default_settings(self.extractor.schema)), Rules(), f"{NAME} {VERSION}", "edge",
            emulated=emulate(lab, self.extractor, cache, progress=self.progress), augmented=self.corpus.augmented(),
            public=public_json(found["metrics"]),
            note="the released procedure, public sources, drawn apps and the fold's training sessions together; "
            "calibrated on one unit of training designs instead of every unit",
        )  # fmt: skip
        folder = self.space.folder / "reelbench"
        return write_report(run_protocol(run, self.progress, folder / "answers.npz"), folder)

    def export(self) -> list[Path]:
        model, state = self.trained()
        found = json.loads((self.space.folder / "evaluation.json").read_text())
        if bench := bench_of(self.space.folder, state["lab_digest"]):
            found["metrics"]["lab"] = bench
        schema = self.extractor.schema
        contract = EdgeContract(
            NAME, VERSION, schema.view, schema.schema_hash, schema.names, state["threshold"],
            tuple(state["uncertain"]), model.network.state_width,
        )  # fmt: skip
        settings = {key: value for key, value in asdict(model.settings).items() if key != "features"}
        training_data = {
            "digest": data_digest(self.space.data),
            "digest_of": "SHA-256 over '<file> <SHA-256>' lines of the source files",
            "lab_digest": state["lab_digest"],
            "sources": {s.name: s.note for s in SOURCES}
            | ({"lab": "this product's traffic lab"} if state["lab_digest"] else {}),
            "drawn": {"flows": DRAWN_FLOWS, "seed": DRAWN_SEED, "digest": drawn_digest()},
            "variants": [asdict(variant) for variant in VARIANTS],
            "method": METHOD, "parameters": settings, "seed": SEEDS[0],
        }  # fmt: skip
        calibration = {
            "method": "Platt's map, fitted on out-of-source predictions, part of the network: its output is the "
            "calibrated probability.",
            "slope": state["slope"],
            "offset": state["offset"],
        }
        release = EdgeRelease(
            contract, model, DESCRIPTION, calibration, found["metrics"], training_data, found["histograms"]
        )
        return [write_bundle(release, self.space.models, self.space.repository)]

    def parity(self) -> dict[str, float]:
        """Largest differences between the engines that run the released bundle, on real sequences."""
        folder = self.space.models / NAME / VERSION
        recorded = self.public.select(self.public.first("recorded"))
        return largest_differences(folder, recorded, self.trained()[0].network.state_width)
