"""From traces to Hugging Face datasets: rows, the run folder with its journal, the dataset card."""
