"""vLLM alone: `LLM.generate` in a process of its own.

python -m benchmarks.throughput.offline RESULT
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.throughput.work import ROLLOUTS, Work


def generate() -> dict[str, float]:
    """Tokens and seconds, without loading."""
    work = Work()
    from vllm import LLM, SamplingParams

    llm = LLM(model=work.model, **work.engine)
    tokenizer = llm.get_tokenizer()
    inputs = []
    for problem in work.problems:
        prompt = tokenizer.apply_chat_template(
            work.messages(problem), tokenize=False, add_generation_prompt=True
        )
        inputs.append({"prompt_token_ids": tokenizer.encode(prompt, add_special_tokens=False)})
    parameters = SamplingParams(n=ROLLOUTS, detokenize=False, **work.sampling)
    start = time.perf_counter()
    results = llm.generate(inputs, parameters, use_tqdm=False)
    seconds = time.perf_counter() - start
    tokens = sum(len(output.token_ids) for result in results for output in result.outputs)
    return {"tokens": tokens, "seconds": seconds}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(generate()))
