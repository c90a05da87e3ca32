"""Speed of the library beside its peers, all in one run: `python -m benchmarks.run --help` from the root."""
