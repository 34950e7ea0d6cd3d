"""Knowledge distillation: train a model to answer as the input model does."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.architecture import Architecture
from lathe_steps.base import Artifact, Context, Format, Parameters, Runtime, Step
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains.training import Recovery
from lathe_steps.words import LayerName


class FeaturePair(Parameters):
    """Two layers, one of each model, whose outputs are to agree."""

    student: LayerName
    """Layer of the student."""
    teacher: LayerName
    """Layer of the teacher; as many positions (height and width, or tokens) come out of it."""


class Student(Parameters):
    """A model of another architecture, which learns from nothing."""

    architecture: Architecture
    """Its code, by a name from the registry. It takes what the input model takes, and gives scores
    of the same shape."""


class Distill(Recovery, Step):
    """Recover quality from a teacher, or teach a smaller model: what it answers, softened.

    Loss = (1 - alpha) * loss on labels + alpha * T² * KL (Hinton et al., 2015), plus featureWeight
    times the distance of features (FitNets, Romero et al., 2015). With alpha 1 the data set needs
    no labels. Where labels are floating-point numbers, the mean squared error from the teacher
    stands in the place of T² * KL.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True

    teacher: Literal["Input"] = "Input"
    """The model to learn from: Input is the model as it was before the first step."""
    student: Student | None = None
    """The model that learns instead of the one that the step is given, which is dropped then."""
    features: Annotated[tuple[FeaturePair, ...], Field(max_length=16)] = ()
    """Layers whose outputs are to agree, too: their squared distance once each position's
    channels are scaled to length 1. Where the student has another number of channels, a linear
    map is trained along and dropped afterwards."""
    feature_weight: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Weight of the features against the rest; each pair's distance is between 0 and 4."""

    def require(self, runtimes: tuple[Runtime, ...]) -> None:  # noqa: ARG002 - the same for all
        """Look whether the student's architecture is there and takes its arguments."""
        if self.student is not None:
            from lathe_steps.toolchains.networks.models import students

            students.build(self.student.architecture.ref, self.student.architecture.args)

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Train on the teacher's outputs and on labels; a killed attempt's training goes on.

        Facts: updates, the loss at the beginning and at the end; with early stop, the lowest loss
        on samples apart; the teacher's count of weights. Evidence: curves.

        Raises:
            InvalidSpec: When the student cannot be built or does not fit, or a pair of layers
                does not.
            BadInput: When a data set does not fit the model.
            Internal: When the loss is no number any more.
        """
        import torch

        from lathe_steps.toolchains.networks.models import model, students
        from lathe_steps.toolchains.networks.training import features, losses, trainer
        from lathe_steps.toolchains.networks.training.course import course_of

        torch.set_num_threads(context.threads)
        teacher = model.load(context.source)
        if self.student is None:
            network = model.load(artifact)
        else:
            asked = self.student.architecture
            seed = context.seed + self.seed
            network = students.fresh(asked.ref, asked.args, teacher, seed=seed)
        curves: list[Evidence] = []
        trail = trainer.Trail(context.checkpoints, curves.append)
        course = course_of("distill", self, context, trail)
        pairs = [(pair.student, pair.teacher) for pair in self.features]
        with features.paired(network, teacher, pairs, seed=course.seed) as paired:
            loss = losses.taught(
                losses.Teacher(teacher.module),
                losses.labelled(self.loss, self.label_smoothing),
                kind=self.loss,
                temperature=self.temperature,
                alpha=self.alpha,
                features=paired.times(self.feature_weight) if pairs else None,
            )
            facts = trainer.train(network, course, loss, along=paired)
        known = {**facts, "teacher_params": teacher.parameters}
        return model.save(network, context.out, known, curves)
