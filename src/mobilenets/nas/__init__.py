"""Search and adaptation of networks. Nothing here trains, measures or stores: functions that do are given."""

from mobilenets.nas.netadapt import Point, Proposal, Round, Rules, netadapt

__all__ = ["Point", "Proposal", "Round", "Rules", "netadapt"]
