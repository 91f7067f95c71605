"""How fast documents are compared, as ratios within one run: ``python -m tests.benchmarks``."""
