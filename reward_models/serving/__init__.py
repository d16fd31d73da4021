"""Serves reward models for `use: prm` and `use: orm` in a config.

inputs.py       steps as the token ids that a model reads, and the positions of its scores
loading.py      identifies the model in a folder, and loads it
on_torch.py     backend `transformers`: batches by length, on a CPU or a GPU
on_vllm.py      backend `vllm`: caches prefixes, so that they are not read twice
model.py        `Prm` and `Orm`, which put the parts together
"""
