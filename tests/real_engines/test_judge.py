"""`model_judge` asks a real vLLM server; its model is a tiny one, since no opinion is asked for."""

import pytest

from tests.conftest import TinyModels
from tests.vllm_servers import VllmServer
from verifiers import Outcome, Target
from verifiers.model_judge import ModelJudgeVerifier, compose

GOLD = Target(kind="math", value="42")


def asking(server: VllmServer, models: TinyModels, **options: object) -> ModelJudgeVerifier.Config:
    return ModelJudgeVerifier.Config.model_validate(
        {"base_url": f"{server.address}/v1", "model": str(models.one), "max_tokens": 64, **options}
    )


@pytest.mark.engine
async def test_a_real_server_is_asked(tiny_server: VllmServer, tiny_models: TinyModels) -> None:
    config = asking(tiny_server, tiny_models)
    verifier = ModelJudgeVerifier(config)
    verdict = await verifier.verify("What is 6 * 7?", "It is 42.", GOLD)
    again = await verifier.verify("What is 6 * 7?", "It is 42.", GOLD)
    await verifier.close()
    # Random weights keep to no form; what matters is that their words came back.
    assert verdict.outcome is not Outcome.ERROR, verdict.reason
    assert verdict.evidence["reply"]
    assert isinstance(tokens := verdict.evidence["completion_tokens"], int)
    assert 0 < tokens <= 64
    assert (again.outcome, again.evidence) == (verdict.outcome, verdict.evidence)
    # The same server, made to say the line by guided decoding: the whole path to a PASS.
    _, code = compose(config.template, "What is 6 * 7?", "It is 42.", "42")
    forced = {"structured_outputs": {"choice": [f"VERDICT-{code}: PASS"]}}
    config = asking(tiny_server, tiny_models, max_tokens=1024, extra_body=forced)
    verifier = ModelJudgeVerifier(config)
    verdict = await verifier.verify("What is 6 * 7?", "It is 42.", GOLD)
    await verifier.close()
    assert verdict.outcome is Outcome.PASS, verdict


@pytest.mark.engine
async def test_a_real_server_that_does_not_have_the_model(
    tiny_server: VllmServer, tiny_models: TinyModels
) -> None:
    config = asking(tiny_server, tiny_models, model="other")
    verifier = ModelJudgeVerifier(config)
    verdict = await verifier.verify("?", "It is 42.", GOLD)
    await verifier.close()
    assert (verdict.outcome, verdict.reason) == (
        Outcome.ERROR,
        "the model's server answered with status 404",
    )
