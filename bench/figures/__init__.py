"""Everything that is measured, as tables, plots and results in `docs/benchmarks`."""
