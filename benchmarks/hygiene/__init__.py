"""The part `hygiene` of the benchmarks: planted leaks, look-alikes, and rates beside datatrove's."""
