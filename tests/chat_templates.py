"""Chat templates of the kinds that models come with, and a tokenizer for each.

Written from what the models' cards and papers say of their formats, cut down to text turns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.tiny_models import byte_level_by_lines


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template, and what is to be expected of it."""

    jinja: str
    special: tuple[str, ...]
    """Texts that are one token each; the last one ends an answer."""
    opening: str = ""
    """What its generation prompt opens of the answer."""
    reasons: bool = False
    """Whether its model thinks in `<think>` before it answers."""
    keeps: bool = True
    """Whether an answer of its model's form is rendered as it is."""
    trims: bool = False
    """Whether it strips white space from both ends of an answer."""
    system: str = "turn"
    """What becomes of a system turn: a `turn`, it is `refused`, or `dropped`."""

    def tokenizer(self, make: Callable[[], Any] = byte_level_by_lines) -> Any:
        """A tokenizer with this template."""
        tokenizer = make()
        tokenizer.add_special_tokens({"additional_special_tokens": list(self.special)})
        tokenizer.eos_token = self.special[-1]
        tokenizer.chat_template = self.jinja
        return tokenizer

    def response(self, reasoning: str, answer: str) -> str:
        """What its model would sample, without the end token."""
        if not self.reasons:
            return (reasoning + answer).strip() if self.trims else reasoning + answer
        thought = reasoning.replace("<think>", "").replace("</think>", "").strip() or "hm"
        said = answer.replace("<think>", "").replace("</think>", "").strip() or "so"
        if self.opening.endswith("</think>\n\n"):
            return said
        return f"{'' if self.opening else '<think>' + chr(10)}{thought}\n</think>\n\n{said}"


_CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")
_HEAD = "{{ '<|im_start|>assistant\\n' }}"
_THINK_HEAD = "{{ '<|im_start|>assistant\\n<think>\\n' }}"
_TURN = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"

_CHATML = (
    "{% for m in messages %}"
    "{% if loop.first and m.role != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful tiny model.<|im_end|>\\n' }}{% endif %}"
    + _TURN
    + "{% endfor %}{% if add_generation_prompt %}"
    + _HEAD
    + "{% endif %}"
)
_LLAMA_3 = (
    "{% for m in messages %}"
    "{% if loop.first %}{{ '<|begin_of_text|>' }}{% endif %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
# The first Mistral: no system turn, and turns alternate.
_MISTRAL = (
    "{{ '<s>' }}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% else %}{{ m.content + '</s>' }}{% endif %}{% endfor %}"
)
# Later ones put the system's turn into the last user's.
_MISTRAL_3 = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content + '\\n\\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{{ '<s>' }}{% for m in turns %}"
    "{% if m.role == 'user' %}"
    "{{ '[INST]' + (system if loop.index0 >= loop.length - 2 else '') + m.content + '[/INST]' }}"
    "{% else %}{{ m.content | trim + '</s>' }}{% endif %}{% endfor %}"
)
_GEMMA = (
    "{{ '<bos>' }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}"
    "{{ m.content | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
# An end token for the turn, and another one behind the whole chat.
_PHI_3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ '<|endoftext|>' }}{% endif %}"
)
_SPLIT = (
    "{% set reasoning = '' %}{% set said = m.content %}{% if '</think>' in m.content %}"
    "{% set reasoning = m.content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}"
    "{% set said = m.content.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
)
_THOUGHT = "{{ '<think>\\n' + reasoning + '\\n</think>\\n\\n' }}"
_IS_LAST = "messages[loop.index0:] | selectattr('role', 'equalto', 'user') | list | length == 0"


def _reasoning(thinks_where: str, generation: str) -> str:
    """ChatML whose answers are taken apart, and whose reasoning is written again where told."""
    return (
        "{% for m in messages %}{% if m.role != 'assistant' %}"
        + _TURN
        + "{% else %}"
        + _SPLIT
        + _HEAD
        + f"{{% if {thinks_where} %}}{_THOUGHT}{{% endif %}}"
        + "{{ said + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
        + "{% if add_generation_prompt %}"
        + generation
        + "{% endif %}"
    )


_QWEN_3_HEAD = _HEAD + (
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
)
_QWEN_3 = _reasoning(_IS_LAST, _QWEN_3_HEAD)
_QWQ = (
    "{% for m in messages %}{% if m.role == 'assistant' and not loop.last %}"
    "{{ '<|im_start|>assistant\\n' + m.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}"
    "{% else %}"
    + _TURN
    + "{% endif %}{% endfor %}{% if add_generation_prompt %}"
    + _THINK_HEAD
    + "{% endif %}"
)
_DEEPSEEK_R1 = (
    "{{ '<|begin_of_sentence|>' }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content }}"
    "{% elif m.role == 'user' %}{{ '<|User|>' + m.content }}"
    "{% else %}{{ '<|Assistant|>' + m.content.split('</think>')[-1] + '<|end_of_sentence|>' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)
# Answers without reasoning begin with the tag that would end it.
_DEEPSEEK_V3_1 = (
    "{{ '<|begin_of_sentence|>' }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content }}"
    "{% elif m.role == 'user' %}{{ '<|User|>' + m.content }}"
    "{% else %}{{ '<|Assistant|></think>' + m.content.split('</think>')[-1] + '<|end_of_sentence|>' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>' }}{% endif %}"
)
_NO_SYSTEM = (
    "{% for m in messages %}{% if m.role != 'system' %}"
    + _TURN
    + "{% endif %}{% endfor %}{% if add_generation_prompt %}"
    + _HEAD
    + "{% endif %}"
)
# Of models that see: a turn is a list of parts, and text alone is not one.
PARTS_ONLY = (
    "{% for m in messages %}{{ m.role + ': ' }}{% for part in m.content %}"
    "{% if part is mapping %}{{ part.text }}{% endif %}{% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
_DEEPSEEK_TOKENS = (
    "<|begin_of_sentence|>",
    "<|User|>",
    "<|Assistant|>",
    "<|end_of_sentence|>",
)

TEMPLATES = {
    "chatml": Template(jinja=_CHATML, special=_CHATML_TOKENS),
    "llama-3": Template(
        jinja=_LLAMA_3,
        special=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        trims=True,
    ),
    "mistral": Template(jinja=_MISTRAL, special=("</s>",), system="refused"),
    "mistral-3": Template(jinja=_MISTRAL_3, special=("[INST]", "[/INST]", "</s>"), trims=True),
    "gemma": Template(
        jinja=_GEMMA,
        special=("<bos>", "<start_of_turn>", "<end_of_turn>"),
        trims=True,
        system="refused",
    ),
    "phi-3": Template(jinja=_PHI_3, special=("<|endoftext|>", "<|end|>")),
    "no-system": Template(jinja=_NO_SYSTEM, special=_CHATML_TOKENS, system="dropped"),
    "qwen-3": Template(jinja=_QWEN_3, special=_CHATML_TOKENS, reasons=True),
    "qwen-3-not-thinking": Template(
        jinja="{% set enable_thinking = false %}" + _QWEN_3,
        special=_CHATML_TOKENS,
        reasons=True,
        opening="<think>\n\n</think>\n\n",
    ),
    "qwen-3-thinking": Template(
        jinja=_reasoning(_IS_LAST, _THINK_HEAD),
        special=_CHATML_TOKENS,
        reasons=True,
        opening="<think>\n",
    ),
    "always-thought": Template(
        jinja=_reasoning("true", _THINK_HEAD),
        special=_CHATML_TOKENS,
        reasons=True,
        opening="<think>\n",
    ),
    "qwq": Template(jinja=_QWQ, special=_CHATML_TOKENS, reasons=True, opening="<think>\n"),
    "deepseek-r1": Template(
        jinja=_DEEPSEEK_R1,
        special=_DEEPSEEK_TOKENS,
        reasons=True,
        keeps=False,
        opening="<think>\n",
    ),
    "deepseek-v3.1": Template(
        jinja=_DEEPSEEK_V3_1,
        special=_DEEPSEEK_TOKENS,
        reasons=True,
        keeps=False,
        opening="<think>",
    ),
}
"""By the family in which it is found."""
