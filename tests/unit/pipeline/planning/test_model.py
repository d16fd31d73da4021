"""A model's figures follow from its config.json."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.planning.known_models import known_model, known_models
from pipeline.planning.model import NotAModel, model_of

TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 200,
}


@pytest.mark.parametrize("name", known_models())
def test_shapes_of_public_models_give_the_published_parameters(name: str) -> None:
    entry, model = known_models()[name], known_model(name)
    assert model is not None
    assert model.num_parameters / 1e9 == pytest.approx(entry["parameters_billion"], rel=0.015)
    if "active_billion" in entry:
        # Publishers count the input embedding, or leave shared experts out.
        assert model.num_active / 1e9 == pytest.approx(entry["active_billion"], rel=0.1)


def test_the_count_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    for tied in (False, True):
        config = transformers.LlamaConfig(**TINY, tie_word_embeddings=tied)
        real = transformers.LlamaForCausalLM(config)
        model = model_of("tiny", config.to_dict())
        assert model.num_parameters == sum(one.numel() for one in real.parameters())


def test_a_name_is_found_without_its_owner_and_whatever_its_case() -> None:
    assert known_model("qwen3-8b") == known_model("Qwen/Qwen3-8B")
    assert known_model("no such model") is None


def test_the_cache_of_grouped_latent_and_windowed_attention() -> None:
    llama, deepseek = known_model("Llama-3.1-8B-Instruct"), known_model("DeepSeek-V3")
    gemma = known_model("gemma-3-27b-it")
    assert llama is not None
    assert deepseek is not None
    assert gemma is not None
    assert llama.cache_bytes(1) == 2 * 32 * 8 * 128 * 2
    assert deepseek.cache_bytes(1) == 61 * (512 + 64) * 2
    # Five of six layers keep 1,024 tokens.
    assert gemma.cache_bytes(101_024) - gemma.cache_bytes(1_024) == 100_000 * 10 * 2 * 16 * 128 * 2


def test_operations_are_two_for_each_active_parameter_and_those_of_attention() -> None:
    model = known_model("Llama-3.1-8B-Instruct")
    assert model is not None
    assert model.operations(1000) - 2 * model.num_active == 4 * 32 * 32 * 128 * 1000


@given(length=st.integers(1, 60), after=st.integers(0, 59), window=st.sampled_from([None, 1, 7, 100]))
def test_a_sequence_takes_the_operations_of_its_tokens(
    length: int, after: int, window: int | None
) -> None:
    after = min(after, length)
    model = model_of("tiny", TINY | {"sliding_window": window})
    one_by_one = sum(model.operations(position) for position in range(after + 1, length + 1))
    assert model.operations_of_sequence(length, after) == pytest.approx(one_by_one)


def test_attention_of_a_sequence_grows_with_the_square_of_its_length() -> None:
    model = known_model("Llama-3.1-405B-Instruct")
    assert model is not None

    def attention(length: int) -> float:
        return model.operations_of_sequence(length) - 2.0 * model.num_active * length

    assert attention(20_000) / attention(10_000) == pytest.approx(4, rel=1e-3)


def test_a_batch_reads_the_experts_that_any_of_its_tokens_chooses() -> None:
    model = known_model("Qwen3-30B-A3B")
    assert model is not None
    assert model.bytes_read(1) < 0.15 * model.weight_bytes()
    assert model.bytes_read(1000) == pytest.approx(model.weight_bytes())
    dense = known_model("Qwen3-8B")
    assert dense is not None
    assert dense.bytes_read(1) == dense.weight_bytes()


@pytest.mark.parametrize(
    ("section", "dtype"),
    [
        ({}, "bfloat16"),
        ({"torch_dtype": "float16"}, "float16"),
        ({"dtype": "float32"}, "float32"),
        ({"quantization_config": {"quant_method": "fp8"}}, "float8"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "int4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
    ],
)
def test_the_type_of_the_weights(section: dict[str, object], dtype: str) -> None:
    assert model_of("tiny", TINY | section).dtype == dtype


def test_a_model_of_text_and_images_has_its_text_models_shapes() -> None:
    whole = {"model_type": "gemma3", "vision_config": {"hidden_size": 9}, "text_config": TINY}
    assert model_of("tiny", whole) == model_of("tiny", TINY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": None}, "cannot read its config.json"),
        ({"vocab_size": "many"}, "cannot read its config.json"),
    ],
)
def test_a_config_that_is_none_is_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(NotAModel, match=message):
        model_of("tiny", TINY | changes)
    with pytest.raises(NotAModel, match=r"expected a config\.json with 'hidden_size', got none"):
        model_of("tiny", {})
