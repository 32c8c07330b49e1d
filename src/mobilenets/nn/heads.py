"""The heads of every task as torch modules; each reads the maps that `head.taps` names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.lower import Layer, Op
from mobilenets.arch.spec import LRASPP, Arch, Classifier, DeepLab, Dialect, Embedder, SSDLite
from mobilenets.nn.ops import ConvNorm, Pool, activation, convolution

PRIOR = 0.01  # of any class at any box before training (focal loss, arXiv 1708.02002, section 4.1)


def head_module(layer: Layer, arch: Arch) -> nn.Module:
    """The module of a network's head."""
    match arch.head:
        case Classifier():
            return ClassifierHead(layer, arch)
        case Embedder():
            return EmbedderHead(layer, arch.head)
        case SSDLite():
            return SSDLiteHead(layer, arch.head, arch.dialect)
        case LRASPP():
            return LRASPPHead(layer, arch.head, arch.dialect)
        case DeepLab():
            return DeepLabHead(layer, arch.head, arch.dialect)
        case _:
            assert_never(arch.head)


class ClassifierHead(nn.Module):
    """Pool, optional hidden layer, dropout, classifier."""

    def __init__(self, layer: Layer, arch: Arch) -> None:
        super().__init__()
        assert isinstance(arch.head, Classifier)
        ops = {op.name: op for op in layer.ops}
        self.pool = Pool()
        self.hidden: nn.Module | None = None
        if hidden := ops.get("hidden"):
            self.hidden = _hidden(hidden, arch.dialect)
            self.flat = hidden.kind == "linear"
            self.act = nn.Identity() if hidden.norm else activation(hidden.activation)
        self.dropout = nn.Dropout(arch.head.dropout)
        self.classifier = nn.Linear(ops["classifier"].cin, ops["classifier"].cout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes)."""
        x = self.pool(x)  # (B, C)
        if self.hidden is not None:
            # a 1x1 convolution sums in another order than a linear layer: dialects differ in the last bits
            x = x if self.flat else x[:, :, None, None]
            x = torch.flatten(self.act(self.hidden(x)), 1)
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


class EmbedderHead(nn.Module):
    """Pool, dropout, linear layer, scaled to length 1."""

    def __init__(self, layer: Layer, head: Embedder) -> None:
        super().__init__()
        self.pool = Pool()
        self.dropout = nn.Dropout(head.dropout)
        self.project = nn.Linear(layer.ops[-1].cin, head.size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to unit vectors (B, size)."""
        return F.normalize(self.project(self.dropout(self.pool(x))), dim=1)


class Predictor(nn.Module):
    """A separable convolution: 3x3 depthwise with norm and activation, then 1x1 with bias."""

    def __init__(self, depthwise: Op, predict: Op, dialect: Dialect) -> None:
        super().__init__()
        self.depthwise = ConvNorm(depthwise, dialect)
        self.predict = convolution(predict, dialect)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, boxes * entries, H, W)."""
        y: Tensor = self.predict(self.depthwise(x))
        return y


class SSDLiteHead(nn.Module):
    """Further maps, then boxes and scores of every map."""

    def __init__(self, layer: Layer, head: SSDLite, dialect: Dialect) -> None:
        super().__init__()
        ops, reading = {op.name: op for op in layer.ops}, _normed(dialect, head)
        self.entries = head.classes + (head.scoring == "softmax")
        self.extras = nn.ModuleList(
            nn.ModuleDict(
                {
                    part: ConvNorm(ops[f"extras.{i}.{part}"], reading)
                    for part in ("reduce", "depthwise", "expand")
                }
            )
            for i in range(len(head.extras))
        )
        maps = range(len(head.anchors))
        self.boxes = nn.ModuleList(_predictor(ops, f"boxes.{i}", reading) for i in maps)
        self.scores = nn.ModuleList(_predictor(ops, f"scores.{i}", reading) for i in maps)
        self.rare = head.scoring == "sigmoid"

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (B, C, H, W), finest first, to offsets (B, N, 4) and logits (B, N, entries)."""
        maps = [*maps]
        for extra in self.extras:
            assert isinstance(extra, nn.ModuleDict)
            x = maps[-1]
            for part in extra.values():
                x = part(x)
            maps.append(x)
        offsets = [_in_rows(predict(x), 4) for predict, x in zip(self.boxes, maps, strict=True)]
        logits = [_in_rows(predict(x), self.entries) for predict, x in zip(self.scores, maps, strict=True)]
        return torch.cat(offsets, dim=1), torch.cat(logits, dim=1)

    def initialise(self) -> None:
        """Normal weights of deviation 0.03; where classes are scored alone, all are rare at first."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.03)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.rare:
            for predictor in self.scores:
                assert isinstance(predictor, Predictor)
                assert predictor.predict.bias is not None
                nn.init.constant_(predictor.predict.bias, -log((1 - PRIOR) / PRIOR))


class LRASPPHead(nn.Module):
    """Class scores of a gated, enlarged map and of a finer one, added and enlarged to the image."""

    def __init__(self, layer: Layer, head: LRASPP, dialect: Dialect) -> None:
        super().__init__()
        ops = {op.name: op for op in layer.ops}
        self.high = ConvNorm(ops["high"], _normed(dialect, head))
        self.gate = convolution(ops["gate"], dialect)
        self.high_classifier = convolution(ops["high_classifier"], dialect)
        self.low_classifier = convolution(ops["low_classifier"], dialect)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The finer map (B, C, h, w) and the last one to scores (B, classes, h, w)."""
        low, high = maps
        x = self.high(high) * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(high, 1)))
        scores: Tensor = self.low_classifier(low) + self.high_classifier(_enlarged(x, low.shape[-2:]))
        return scores


class DeepLabHead(nn.Module):
    """Branches side by side, projected, perhaps refined, classified."""

    def __init__(self, layer: Layer, head: DeepLab, dialect: Dialect) -> None:
        super().__init__()
        ops, reading = {op.name: op for op in layer.ops}, _normed(dialect, head)
        self.branches = nn.ModuleList(
            ConvNorm(ops[f"branches.{i}"], reading) for i in range(1 + len(head.rates))
        )
        self.mean = ConvNorm(ops["mean"], reading)
        self.project = ConvNorm(ops["project"], reading)
        self.dropout = nn.Dropout(head.dropout)
        self.refine = ConvNorm(ops["refine"], reading) if head.refine else nn.Identity()
        self.classifier = convolution(ops["classifier"], dialect)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The last map (B, C, h, w) to scores (B, classes, h, w)."""
        x = maps[-1]
        mean = self.mean(F.adaptive_avg_pool2d(x, 1))
        joined = torch.cat([*(branch(x) for branch in self.branches), _enlarged(mean, x.shape[-2:])], dim=1)
        scores: Tensor = self.classifier(self.refine(self.dropout(self.project(joined))))
        return scores


def _hidden(op: Op, dialect: Dialect) -> nn.Module:
    """The layer before the classifier: linear, a 1x1 convolution, or one with norm and activation (V4)."""
    if op.norm:
        return ConvNorm(op, dialect)
    return nn.Linear(op.cin, op.cout, op.bias) if op.kind == "linear" else convolution(op, dialect)


def _normed(dialect: Dialect, head: SSDLite | LRASPP | DeepLab) -> Dialect:
    """The dialect with the head's own batch norms."""
    return replace(dialect, norm_eps=head.norm_eps, norm_momentum=head.norm_momentum)


def _predictor(ops: Mapping[str, Op], name: str, dialect: Dialect) -> Predictor:
    """The two layers that `name` begins."""
    return Predictor(ops[f"{name}.depthwise"], ops[f"{name}.predict"], dialect)


def _in_rows(x: Tensor, entries: int) -> Tensor:
    """(B, boxes * entries, H, W) to (B, H * W * boxes, entries)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, entries)


def _enlarged(x: Tensor, sides: Sequence[int]) -> Tensor:
    """(B, C, h, w) to other sides, bilinearly."""
    return F.interpolate(x, size=list(sides), mode="bilinear", align_corners=False)
