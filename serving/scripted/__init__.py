"""Scripted models behind a real loopback server: good, useless and hostile ones, for tests and benchmarks."""
