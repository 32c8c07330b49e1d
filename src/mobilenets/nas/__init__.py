"""Search and adaptation of networks. Nothing here trains or measures: functions that do are given."""

from mobilenets.nas.netadapt import Point, Proposal, Round, Rules, netadapt
from mobilenets.nas.reward import Outcome, Reward, front, hypervolume
from mobilenets.nas.space import Decision, Genotype, Space

__all__ = [
    "Decision",
    "Genotype",
    "Outcome",
    "Point",
    "Proposal",
    "Reward",
    "Round",
    "Rules",
    "Space",
    "front",
    "hypervolume",
    "netadapt",
]
