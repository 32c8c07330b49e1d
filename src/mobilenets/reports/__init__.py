"""What a run reached, for people: one offline page, a table for the terminal, drawn predictions."""

from mobilenets.reports.page import write_report
from mobilenets.reports.terminal import summary

__all__ = ["summary", "write_report"]
