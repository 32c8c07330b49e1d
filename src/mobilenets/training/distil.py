"""Learning from a teacher: its answers softened, its maps, beside the labels.

Hinton et al. 2015 (arXiv 1503.02531) for the answers; for the maps, a projection of the student's that is
learned and thrown away (FitNets, Romero et al. 2015, arXiv 1412.6550).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.spec import Head, SSDLite
from mobilenets.nn import Network
from mobilenets.tasks.detect.losses import NEGATIVES
from mobilenets.training.settings import Settings
from mobilenets.training.teacher import Lesson

DEEPEST = 3  # strides whose maps are compared, the last ones
SHARPNESS = 10.0  # of the softmax over cosines that says which images of a batch are near to each other


class Watched(nn.Module):
    """A network that gives its last map of every stride beside its outputs."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Any, dict[int, Tensor]]:
        """As `Network.watched`."""
        return self.network.watched(x)


class Distilled(nn.Module):
    """The task's own loss and what a teacher adds to it. What it learns is of use in training only.

    `maps` has for each stride to compare the channels of the student's map and of the teacher's.
    """

    def __init__(
        self, own: nn.Module, head: Head, settings: Settings, maps: Mapping[int, tuple[int, int]]
    ) -> None:
        super().__init__()
        self.own, self.head = own, head
        self.weight, self.temperature = settings.distil_weight, settings.distil_temperature
        self.features = 1.0 if settings.distil_features is None else settings.distil_features
        self.projections = nn.ModuleDict({str(stride): nn.Conv2d(*maps[stride], 1) for stride in maps})
        for projection in self.projections.values():
            # explains nothing at first and disturbs nothing; and no draw depends on what was drawn before
            nn.init.zeros_(projection.weight)  # type: ignore[arg-type]
            nn.init.zeros_(projection.bias)  # type: ignore[arg-type]

    def forward(self, outputs: Any, targets: Tensor | tuple[Tensor, ...], lesson: Lesson) -> Tensor:
        """The loss, a scalar in float32, of the student's outputs (with its maps where they are compared).

        `targets` belong to the first images of the batch; the rest have none and are the teacher's alone.
        """
        answers, maps = outputs if self.projections else (outputs, {})
        labelled = len(targets if isinstance(targets, Tensor) else targets[0])
        loss: Tensor = (1 - self.weight) * self.own(_first(answers, labelled), targets)
        if self.weight:
            loss = loss + self.weight * imitation(answers, lesson[0], self.head, self.temperature)
        if self.projections:
            missed = [unexplained(projection(maps[int(stride)].float()), lesson[1][int(stride)])
                      for stride, projection in self.projections.items()]  # fmt: skip
            loss = loss + self.features * torch.stack(missed).mean()
        return loss


def imitation(answers: Any, taught: Any, head: Head, temperature: float) -> Tensor:
    """How far a student's outputs are from a teacher's, a scalar in float32; each task has its function."""
    if isinstance(head, SSDLite):
        return of_boxes(answers, taught, head, temperature)
    answers, taught = answers.float(), taught.float()
    match head.task:
        case "segment":
            return of_pixels(answers, taught, temperature)
        case "embed":
            return of_vectors(answers, taught)
        case _:
            return divergence(answers, taught, temperature).mean()


def divergence(logits: Tensor, taught: Tensor, temperature: float, dim: int = 1) -> Tensor:
    """The divergence of softened classes from the teacher's, over `dim`, times the temperature squared.

    So its gradients are about as large as at temperature 1 (Hinton et al. 2015, section 2).
    """
    student, teacher = (F.log_softmax(x / temperature, dim=dim) for x in (logits, taught))
    each = F.kl_div(student, teacher, reduction="none", log_target=True)
    total: Tensor = each.sum(dim) * temperature**2
    return total


def of_pixels(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Mean `divergence` over all pixels of (B, classes, H, W), the teacher's scaled to the student's size."""
    if taught.shape[-2:] != logits.shape[-2:]:
        taught = F.interpolate(taught, logits.shape[-2:], mode="bilinear", align_corners=False)
    return divergence(logits, taught, temperature).mean()


def of_boxes(outputs: Any, taught: Any, head: SSDLite, temperature: float) -> Tensor:
    """The distance of offsets (B, N, 4) and logits (B, N, K), over the things that the teacher sees.

    An anchor counts as much as the teacher takes it for a thing. Of the rest, as in the task's own loss,
    those with the largest divergence count, three times as many; the others are background to both.
    """
    (offsets, logits), (wanted, known) = ([one.float() for one in pair] for pair in (outputs, taught))
    if head.scoring == "softmax":
        thing = 1 - known.softmax(dim=2)[..., 0]
        each = divergence(logits, known, temperature, dim=2)
    else:
        thing = known.sigmoid().amax(dim=2)
        each = _of_single_classes(logits, known, temperature).sum(dim=2)
    rest = (1 - thing) * each
    rank = rest.detach().argsort(dim=1, descending=True).argsort(dim=1)
    hard = rank < (NEGATIVES * thing.sum(dim=1, keepdim=True)).round().clamp(min=1)
    moved = F.smooth_l1_loss(offsets, wanted, reduction="none").sum(dim=2)
    loss: Tensor = ((thing * (each + moved)).sum() + rest[hard].sum()) / thing.sum().clamp(min=1)
    return loss


def _of_single_classes(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """`divergence` of every class alone, as yes or no."""
    own, other = (torch.stack([x, torch.zeros_like(x)], dim=-1) for x in (logits, taught))
    return divergence(own, other, temperature, dim=-1)


def of_vectors(vectors: Tensor, taught: Tensor) -> Tensor:
    """The distance of unit vectors (B, size): 1 less the cosine to the teacher's.

    Where sizes differ, that of who is near to whom: the divergence of each image's softmax over its cosines
    to the others of the batch (relations, as Park et al. 2019, arXiv 1904.05068, with these for distances).
    """
    if vectors.shape == taught.shape:
        return (1 - (vectors * taught).sum(dim=1)).mean()
    own, other = (_others(SHARPNESS * x @ x.T) for x in (vectors, taught))
    return divergence(own, other, 1.0).mean()


def _others(table: Tensor) -> Tensor:
    """A square table (B, B) without its diagonal (B, B - 1)."""
    n = len(table)
    return table.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)


def unexplained(projected: Tensor, taught: Tensor) -> Tensor:
    """The share of the variance of a teacher's map (B, C, H, W) that a projected map misses.

    1 is what knowing the channels' means would miss, 0 is equality, whatever the scale of the map. The
    teacher's is scaled to the student's size.
    """
    taught = taught.float()
    if taught.shape[-2:] != projected.shape[-2:]:
        size = projected.shape[-2:]
        taught = F.interpolate(taught, size, mode="bilinear", align_corners=False, antialias=True)
    spread = (taught - taught.mean(dim=(0, 2, 3), keepdim=True)).square().mean()
    return (projected - taught).square().mean() / spread.clamp(min=1e-12)


def compared(
    student: Mapping[int, int], teacher: Mapping[int, int], frozen: int
) -> dict[int, tuple[int, int]]:
    """The strides whose maps are compared, with the channels of both: the deepest that both have.

    `student` and `teacher` have the channels of their map of every stride; what is frozen cannot learn.
    """
    shared = [stride for stride in sorted(student) if stride in teacher and stride > frozen]
    return {stride: (student[stride], teacher[stride]) for stride in shared[-DEEPEST:]}


def _first(answers: Any, n: int) -> Any:
    """The outputs for the first `n` images."""
    return tuple(one[:n] for one in answers) if isinstance(answers, tuple) else answers[:n]
