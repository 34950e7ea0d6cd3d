"""What is measured: tasks, who works on them, and what is to be reached."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

REPEATS = 5


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody's way to a smaller model.

    Attributes:
        name: In tables, and of its folder.
        module: In contestants/.
        arguments: Of the module.
        quick: Arguments instead of them, where minutes matter.
        in_quick: Whether it takes part there.
        trains: Whether its quality depends on training, for which minutes are too short.
        least: Times smaller that it is there in any case.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    in_quick: bool = True
    trains: bool = False
    least: float = 3.3


@dataclass(frozen=True, slots=True)
class Goal:
    """What Lathe is to reach on a bench.

    Attributes:
        contestant: Whose figure it is.
        kind: Smaller, Faster: times; Drop: most percentage points; Better: least percentage
            points; Memory: most times; Evaluations: most candidates that a search has judged.
        bound: The number.
        than: Compared with whom.
    """

    contestant: str
    kind: str
    bound: float
    than: str = "fp32"


@dataclass(frozen=True, slots=True)
class Bench:
    """One table.

    Attributes:
        name: Short, such as B2.
        title: What it is about.
        task: A name in the tasks' catalogue.
        contestants: Who works on it.
        goals: What is to be reached.
        repeats: Seeds 0 to repeats - 1.
        note: What a reader has to know.
    """

    name: str
    title: str
    task: str
    contestants: tuple[Contestant, ...]
    goals: tuple[Goal, ...] = ()
    repeats: int = REPEATS
    note: str = ""


def lathe(
    name: str, chain: str, quick: Mapping[str, object] | None = None, **values: object
) -> Contestant:
    """Lathe with a chain of chains/ and values for its words."""

    def spelled(words: Mapping[str, object]) -> tuple[str, ...]:
        pairs = (f"--set={word}={value}" for word, value in words.items())
        return ("--chain", chain, *pairs)

    return Contestant(name, "lathe", spelled(values), spelled({**values, **(quick or {})}))


def rivals(*arguments: str, in_quick: bool = False) -> tuple[Contestant, ...]:
    """ONNX Runtime's own tool twice."""
    defaults = Contestant("ORT defaults", "onnxruntime_defaults", arguments, in_quick=in_quick)
    best = Contestant("ORT best", "onnxruntime_best", arguments, in_quick=in_quick)
    return defaults, best


SHORT = {"epochs": 1}
FEW = {"samples": 32}
INT8 = lathe("Lathe int8", "int8", samples=256, quick=FEW)
INT8_512 = lathe("Lathe int8", "int8", samples=512, quick=FEW)
INT8_64 = replace(lathe("Lathe int8, 64 samples", "int8", samples=64), in_quick=False)
DYNAMIC = lathe("Lathe dynamic", "dynamic")
FOUR = lathe("Lathe 4 bit weights", "four-bits")
CURED = lathe("Lathe int8 with a goal", "cured", samples=256, quick=FEW)
LEFT = replace(lathe("Lathe int8, no equalising", "left-alone", samples=256), in_quick=False)
SMALL = replace(
    lathe("Lathe prune+distill+int8", "smaller", keep=0.4, epochs=6, rate=2e-3, quick=SHORT),
    trains=True,
    least=6.5,
)
HALF = replace(
    lathe("Lathe prune+distill+int8", "smaller", keep=0.49, epochs=2, rate=1e-3, quick=SHORT),
    trains=True,
    least=7,
)
DEEP = replace(
    lathe("Lathe deep compression", "deep", passes=6, epochs=25, quick={"passes": 2, "epochs": 2}),
    trains=True,
    least=25,
)
TAUGHT = replace(
    lathe("Lathe student, taught", "student", alpha=0.7, epochs=10, quick=SHORT),
    trains=True,
    least=7,
)
UNTAUGHT = replace(lathe("Lathe student, untaught", "student", alpha=0, epochs=10), in_quick=False)
CONTROL = replace(lathe("control: distill+int8", "control", epochs=2, rate=1e-3), in_quick=False)

BENCHES: tuple[Bench, ...] = (
    Bench(
        "B1",
        "Deep Compression of an MLP",
        "digits-mlp",
        (*rivals("--samples=128"), DEEP),
        (Goal(DEEP.name, "Smaller", 35), Goal(DEEP.name, "Drop", 0.3)),
        note="LeNet-300-100 on scikit-learn's digits, another split for each seed. The archive is "
        "for storage: what is measured is the network that `lathe unpack` gives back, whose "
        "answers are compared with those before packing, bit by bit. Times smaller count against "
        "model.onnx, whose graph is 3 % of it.",
    ),
    Bench(
        "B2",
        "int8 of a small residual CNN",
        "glyphs-cnn",
        (*rivals(in_quick=True), INT8),
        (
            Goal(INT8.name, "Smaller", 3.8),
            Goal(INT8.name, "Faster", 2.6),
            Goal(INT8.name, "Drop", 0.3),
        ),
        note="0.28 M parameters, 62 classes of 32x32 glyphs, 20,000 to train on.",
    ),
    Bench(
        "B3 ResNet-18",
        "int8 of ResNet-18 at 224x224",
        "resnet18-224",
        (*rivals("--samples=512"), INT8_512, INT8_64),
        (
            Goal(INT8.name, "Faster", 0.97, "ORT best"),
            Goal(INT8.name, "Memory", 1.1, INT8_64.name),
        ),
        note="Random weights: latency and memory only. 512 samples calibrate.",
    ),
    Bench(
        "B3 MobileNet v2",
        "int8 of MobileNet v2 at 224x224",
        "mobilenet-v2-224",
        (*rivals("--samples=512"), INT8_512),
        (Goal(INT8.name, "Faster", 0.97, "ORT best"),),
        note="Random weights: latency and memory only. 512 samples calibrate.",
    ),
    Bench(
        "B4",
        "prune, distill and int8 of the small CNN",
        "glyphs-cnn",
        (rivals()[1], INT8, SMALL),
        (
            Goal(SMALL.name, "Smaller", 8),
            Goal(SMALL.name, "Faster", 4.4),
            Goal(SMALL.name, "Drop", 0.7),
        ),
        note="40 % of the parameters are kept, with six epochs of distillation.",
    ),
    Bench(
        "B5",
        "int8 with a planted fault",
        "glyphs-planted",
        (*rivals(), LEFT, CURED),
        (
            Goal(CURED.name, "Drop", 0.3),
            Goal(CURED.name, "Smaller", 3.7),
            Goal(CURED.name, "Evaluations", 10),
        ),
        note="One channel is scaled 1000 times up and undone in the next layer, which changes "
        "nothing in fp32.",
    ),
    Bench(
        "B6",
        "dynamic int8 of a transformer's encoder",
        "tokens-encoder",
        (*rivals("--dynamic"), DYNAMIC, FOUR),
        (
            Goal(DYNAMIC.name, "Smaller", 3.9),
            Goal(DYNAMIC.name, "Faster", 3),
            Goal(DYNAMIC.name, "Drop", 0.5),
        ),
        note="7.3 M parameters: four layers, 384 wide, 128 tokens. Three tenths of the 8-bit time "
        "are what stays in floating point: the products of the attention, softmax, normalisation.",
    ),
    Bench(
        "Student",
        "a student of a tenth of the teacher's size",
        "glyphs-cnn",
        (UNTAUGHT, TAUGHT),
        (
            Goal(TAUGHT.name, "Drop", 0.5),
            Goal(TAUGHT.name, "Better", 0, UNTAUGHT.name),
        ),
        note="The same student, from the same first weights, with and without the teacher's "
        "outputs; in fp32.",
    ),
    Bench(
        "FM",
        "ResNet-18 on Fashion-MNIST",
        "fashion-resnet18",
        (*rivals(), INT8, HALF, CONTROL),
        (
            Goal(INT8.name, "Faster", 5.5),
            Goal(INT8.name, "Faster", 0.97, "ORT best"),
            Goal(INT8.name, "Faster", 4.5, "ORT defaults"),
            Goal(HALF.name, "Smaller", 8),
            Goal(HALF.name, "Faster", 10),
            Goal(HALF.name, "Drop", 0.5),
        ),
        repeats=3,
        note="11.2 M parameters; 49 % are kept, with two epochs of distillation. The control "
        "trains the whole model as long.",
    ),
)
