"""Layered configuration in which every value knows the file, line and column it came from."""
