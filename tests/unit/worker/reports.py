"""A report to begin with: pruned, distilled, quantised for a CPU, and built for two GPUs.

It has everything that a report can show, and is what the golden page and the browser look at.
"""

import math
from typing import Any

from lathe_api.plan import plan_of
from lathe_api.v1alpha1.evaluation import Evaluation, Metric
from lathe_api.v1alpha1.status import ArtifactStatus, MetricStatus, TargetStatus
from lathe_steps.evidence import (
    Candidate,
    Candidates,
    Curve,
    Evidence,
    LayerEffect,
    Sensitivity,
)
from lathe_worker.environment import Environment
from lathe_worker.gates import judge
from lathe_worker.manifest import InputRecord, ManifestStep
from lathe_worker.measured import Measured, Waypoint
from lathe_worker.report import Report, summary
from tests.builders import DISTILL, FP16, FUSE, PRUNE, QUANTIZE, a_resource, target

EVALUATION = {
    "dataset": "val",
    "metrics": ["Top1", "ArgmaxAgreement", "SizeBytes", "Params", "LatencyP50"],
    "gates": [
        {"metric": "Top1", "maxDrop": 0.02},
        {"metric": "SizeBytes", "target": "cpu", "maxRatio": 0.2},
        {"metric": "SizeBytes", "target": "rtx", "maxRatio": 1},
        {"metric": "LatencyP50", "minSpeedup": 1.5},
    ],
}


def digest(of: str) -> str:
    return f"sha256:{(of * 64)[:64]}"


def step(
    name: str, kind: str, size: int, seconds: float, *evidence: Evidence, **facts: float | str
) -> ManifestStep:
    return ManifestStep(
        name=name,
        state="Succeeded",
        seconds=seconds,
        cache="Hit" if kind == "prune" else "Miss",
        metrics={name: fact for name, fact in facts.items() if not isinstance(fact, str)},
        kind=kind,
        key="ab" * 32,
        facts=dict(facts),
        digest=digest("b"),
        bytes=size,
        evidence=evidence,
    )


LOSS = Curve(
    "loss",
    "batch",
    tuple(
        (15.0 * i, round(0.03 + 1.9 * math.exp(-i / 5) + 0.02 * math.sin(2 * i), 4))
        for i in range(31)
    ),
)
ACCURACY = Curve(
    "Top1 on val",
    "epoch",
    tuple(
        (float(i), round(0.966 - 0.21 * math.exp(-i / 3) + 0.002 * math.sin(3 * i), 4))
        for i in range(1, 21)
    ),
)
LAYERS = Sensitivity(
    "8 bits",
    "Top1",
    256,
    tuple(
        LayerEffect(name, drop)
        for name, drop in (
            ("conv_in", 0.0273),
            ("blocks.2.conv2", 0.0117),
            ("head", 0.0078),
            ("blocks.0.conv1", 0.0039),
            *((f"blocks.{i}.{kind}", 0.0) for i in range(3, 7) for kind in ("conv1", "conv2")),
            ("blocks.1.conv1", -0.0039),
            ("blocks.2.conv1", -0.0039),
        )
    ),
)
TRIED = Candidates(
    "Top1",
    256,
    (
        Candidate("all in 8 bits", 158_720, 0.9375, 0.0641),
        Candidate("conv_in in floating point", 163_840, 0.9648, 0.0684),
        Candidate("conv_in, blocks.2.conv2 in floating point", 201_300, 0.9687, 0.0812),
        Candidate("head in floating point", 169_000, 0.9414, 0.0655),
        Candidate("blocks.2.conv2 in floating point", 196_100, 0.9492, 0.0779),
        Candidate("conv_in, head in floating point", 174_080, 0.9648, 0.0699),
    ),
    chosen=1,
)


def quality(name: Metric, where: str, before: float, after: float, half: float) -> MetricStatus:
    return MetricStatus(
        name=name,
        target=where,
        input=before,
        output=after,
        delta=after - before,
        low=after - before - half,
        high=after - before + half,
        samples=700,
    )


def ratio(
    name: Metric, where: str, before: float, after: float, spread: float | None = None
) -> MetricStatus:
    return MetricStatus(
        name=name,
        target=where,
        input=before,
        output=after,
        ratio=after / before,
        low=after / before * (1 - spread) if spread else None,
        high=after / before * (1 + spread) if spread else None,
        samples=812 if spread else None,
    )


METRICS = (
    quality(Metric.TOP1, "cpu", 0.9686, 0.9629, 0.0085),
    quality(Metric.ARGMAX_AGREEMENT, "cpu", 1.0, 0.9857, 0.009),
    ratio(Metric.SIZE_BYTES, "cpu", 1_244_160, 163_840),
    ratio(Metric.PARAMS, "cpu", 308_394, 153_002),
    ratio(Metric.LATENCY_P50, "cpu", 0.212, 0.0684, 0.05),
    quality(Metric.TOP1, "rtx", 0.9686, 0.9657, 0.008),
    quality(Metric.ARGMAX_AGREEMENT, "rtx", 1.0, 0.99, 0.0075),
    ratio(Metric.SIZE_BYTES, "rtx", 1_244_160, 812_000),
    ratio(Metric.PARAMS, "rtx", 308_394, 153_002),
)


def waypoint(name: str, top1: float, latency: float, size: int) -> Waypoint:
    return Waypoint(
        step=name,
        metrics=(
            quality(Metric.TOP1, name, 0.9686, top1, 0.009),
            ratio(Metric.SIZE_BYTES, name, 1_244_160, size),
            ratio(Metric.LATENCY_P50, name, 0.212, latency, 0.05),
        ),
    )


PATH = (
    waypoint("halve", 0.8914, 0.1241, 621_000),
    waypoint("recover", 0.9657, 0.1239, 621_000),
    waypoint("thin", 0.9643, 0.1242, 621_000),
    waypoint("fuse", 0.9643, 0.1183, 616_000),
    waypoint("export", 0.9643, 0.1181, 618_000),
    waypoint("rtx/half", 0.9657, 0.1204, 311_000),
)


def a_report(
    metrics: tuple[MetricStatus, ...] = METRICS,
    *,
    name: str = "digits",
    path: tuple[Waypoint, ...] = PATH,
) -> Report:
    """The report of a run that measured this."""
    resource = (
        a_resource()
        .named(name)
        .steps({"name": "halve", **PRUNE}, {"name": "recover", **DISTILL}, FUSE)
        .targets(
            target("cpu", "ONNXRuntime", {"name": "int8", **QUANTIZE}),
            target("rtx", "TensorRTRTX", {"name": "half", **FP16}),
        )
        .with_(evaluation=EVALUATION)
    )
    plan = plan_of(resource.parsed(), namespace="default", name=name)
    measured = Measured(
        dataset="val", samples=700, metrics=metrics, threads=2, load=0.31, path=path
    )
    return Report(
        run_key="5f3a9c1e" * 8,
        finished="2026-11-23T12:34:56Z",
        seconds=96.0,
        plan=plan,
        inputs=(
            InputRecord(name="model", uri=plan.model.uri, digest=digest("1"), bytes=1_244_160),
            InputRecord(name="val", uri="s3://data/val.npz", digest=digest("2"), bytes=182_000),
        ),
        steps=(
            step("Input/export", "export", 1_251_000, 4.1),
            step(
                "halve",
                "prune",
                621_000,
                1.8,
                params_before=308_394,
                params=153_002,
                macs_before=6_480_000,
                macs=3_210_000,
            ),
            step(
                "recover",
                "distill",
                621_000,
                41.0,
                LOSS,
                ACCURACY,
                loss_first=1.93,
                loss_last=0.0312,
                updates=450,
            ),
            step(
                "thin",
                "sparsify",
                621_000,
                0.7,
                sparsity=0.5,
                runtime_effect="none: zeros are stored and computed like other weights",
            ),
            step("fuse", "fuse", 616_000, 0.4, folded=9),
            step("export", "export", 618_000, 4.4, largest_difference=2.1e-6),
            step(
                "cpu/int8",
                "quantize",
                163_840,
                6.2,
                LAYERS,
                TRIED,
                samples=200,
                excluded="conv_in",
                format="QOperator",
            ),
            step("rtx/half", "convertPrecision", 311_000, 0.6),
            step("rtx/buildEngine", "buildEngine", 812_000, 11.9),
        ),
        targets=(
            TargetStatus(name="cpu", state="Succeeded"),
            TargetStatus(
                name="rtx",
                state="Succeeded",
                executed=False,
                message="built here but not run here: quality is that of its graph",
                compute_capability="8.6, 8.9",
                tensorrt_version="1.7.1",
            ),
        ),
        artifacts=(
            ArtifactStatus(
                name="model.onnx",
                target="cpu",
                uri="s3://artifacts/digits/5f3a9c1e5f3a9c1e/cpu/model.onnx",
                digest=digest("3"),
                bytes=163_840,
            ),
            ArtifactStatus(
                name="model.engine",
                target="rtx",
                uri="s3://artifacts/digits/5f3a9c1e5f3a9c1e/rtx/model.engine",
                digest=digest("4"),
                bytes=812_000,
            ),
        ),
        measured=measured,
        gates=judge(Evaluation.model_validate(EVALUATION), measured),
        summary=summary(plan, metrics, 96.0),
        environment=Environment(
            cpu="AMD EPYC 9B45",
            machine="x86_64",
            isa=("avx2", "avx512_vnni", "avx_vnni"),
            threads=2,
            system="Linux 6.1",
            python="3.11.7",
            versions={"lathe": "0.1.0", "torch": "2.15.0", "onnx": "1.23.2"},
        ),
    )


def changed(report: Report, **fields: Any) -> Report:
    """The report of a run in which these fields were otherwise."""
    return Report.model_validate({**dict(report), **fields})
