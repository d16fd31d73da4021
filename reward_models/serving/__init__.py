"""Serving reward models: what a config's `use: prm` and `use: orm` run.

inputs.py       steps as the token ids that a model reads, and where it says how good each is
loading.py      which model a folder holds, and the model itself
on_torch.py     backend `transformers`: batches by length, on a CPU or a GPU
on_vllm.py      backend `vllm`: prefixes that were read before are not read again
model.py        `Prm` and `Orm`, which put the parts together
"""
