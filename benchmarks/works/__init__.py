"""Measurements of the founding works, a module per group of rows."""
