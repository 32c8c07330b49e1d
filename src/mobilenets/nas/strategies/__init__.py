"""Strategies of search by name."""
