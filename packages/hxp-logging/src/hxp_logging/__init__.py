"""Structured, correlated logging with one door for every record."""
