"""Benchmarks: the sync engine beside its floors, as ratios of one run on one machine."""
