"""The part `loop` of the benchmarks: does the loop make a model better, and what does a liar cost?

The model and the chains are those of `benchmarks.arithmetic`: a problem has one right response, so the
probability that a model gives it is known without sampling, and so is each step's truth.
"""
