"""Which JSON counts, what strict parsing means, and harmful schemas."""

import json
import pickle
import threading
import urllib.request
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from verifiers import Outcome, Target, Verdict
from verifiers.json_schema import JsonSchemaVerifier, check, find_json

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
GOOD = '{"name": "Ada", "age": 36}'
BAD = '{"name": "Ada", "age": -1}'


@pytest_asyncio.fixture
async def verifier() -> AsyncIterator[JsonSchemaVerifier]:
    config = JsonSchemaVerifier.Config(default_schema=PERSON, timeout_seconds=1.0, memory_mb=256)
    built = JsonSchemaVerifier(config)
    yield built
    await built.close()
    await built.close()


def outcome_of(response: str, schema: object = PERSON) -> Outcome:
    return check((schema, response))[0]


def with_schema(schema: object) -> Target:
    return Target(kind="json_schema", tests={"schema": schema})


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (GOOD, Outcome.PASS),
        (BAD, Outcome.FAIL),
        (f"```json\n{GOOD}\n```", Outcome.PASS),
        (f"```JSON\n{GOOD}\n```\nand for example\n```\n{BAD}\n```", Outcome.PASS),
        (f"```json\n{BAD}\n```\nNo:\n```json\n{GOOD}\n```\nDone {BAD}.", Outcome.PASS),
        (f"```json\n{GOOD}\n```\nNo:\n```json\n{BAD}\n```", Outcome.FAIL),
        (f"```json\n{GOOD}", Outcome.PASS),
        ("```json\n{'name': 'Ada'}\n```", Outcome.FAIL),
        ("```json\n```", Outcome.FAIL),
        (f"Let x be in {{1, 2}} or [0, 1). First {BAD}, then {GOOD}. Good?", Outcome.PASS),
        (f"First {GOOD}, then {BAD}.", Outcome.FAIL),
        (f"{GOOD} and [1]", Outcome.FAIL),
        ("I wonder.", Outcome.ABSTAIN),
        ("", Outcome.ABSTAIN),
        ("{'name': 'Ada'}", Outcome.ABSTAIN),
        ("NaN", Outcome.ABSTAIN),
        # A part of broken JSON is not the intended value.
        (f'{{"person": {GOOD}, "more": ', Outcome.ABSTAIN),
        (f'{{"person": {GOOD}, "more": "abc', Outcome.ABSTAIN),
        (f'{GOOD} or rather {{"name": ', Outcome.ABSTAIN),
        (f'{GOOD} or rather {{"name": "Ad', Outcome.ABSTAIN),
        (f"{{\"person\": {GOOD}, 'more': 1}}", Outcome.ABSTAIN),
        ("5", Outcome.FAIL),
        (rf"\boxed{{{GOOD}}}", Outcome.PASS),
        (r"With \frac{}{} and x[1] and f{}.", Outcome.ABSTAIN),
        (f"JSON:{GOOD}", Outcome.PASS),
    ],
)
def test_which_json_counts(response: str, outcome: Outcome) -> None:
    assert outcome_of(response) is outcome


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "It is {} then."])
@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('{"a": 1, "a": 1}', Outcome.FAIL),
        ('{"a": {"b": 1, "b": 2}}', Outcome.FAIL),
        ('{"a": NaN}', Outcome.FAIL),
        ('{"a": -Infinity}', Outcome.FAIL),
        ('{"a": %s}' % ("9" * 5000), Outcome.ERROR),
        ('{"a": 1e400}', Outcome.ERROR),
        ("[" * 100_000 + "]" * 100_000, Outcome.ERROR),
        ('{"a": %s}' % ("9" * 3000), Outcome.PASS),
        ('{"a": 1e300}', Outcome.PASS),
    ],
    ids=lambda value: str(value)[:20],
)
def test_json_is_read_strictly(wrap: str, text: str, outcome: Outcome) -> None:
    assert outcome_of(wrap.replace("{}", text), True) is outcome


async def test_the_first_error_is_named_in_one_line(verifier: JsonSchemaVerifier) -> None:
    verdict = await verifier.verify("?", BAD, Target(kind="json_schema"))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "at $.age: -1 is less than the minimum of 0"
    assert verdict.extracted == BAD
    assert verdict.evidence == {"path": "$.age", "message": "-1 is less than the minimum of 0"}
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    long = await verifier.verify("?", json.dumps({"x\n" * 9: "y\n" * 999}), Target(kind="json_schema"))
    assert long.outcome is Outcome.FAIL
    assert "\n" not in long.reason
    assert len(long.reason) < 300


async def test_a_targets_schema_comes_before_the_configs(verifier: JsonSchemaVerifier) -> None:
    assert (await verifier.verify("?", "[1]", with_schema({"type": "array"}))).outcome is Outcome.PASS
    assert (await verifier.verify("?", "[1]", with_schema(False))).outcome is Outcome.FAIL
    assert (await verifier.verify("?", "[1]", Target(kind="x"))).outcome is Outcome.FAIL


BAD_SCHEMAS: list[tuple[Any, str]] = [
    ({"type": "objct"}, "is not a valid schema: at $.type"),
    ({"pattern": "("}, "is not a valid schema: at $.pattern"),
    ("object", "expected a schema in the target or the config, got str"),
    ({"$schema": "http://json-schema.org/draft-07/schema#"}, "expected $schema to be"),
]


@pytest.mark.parametrize(("schema", "complaint"), BAD_SCHEMAS)
async def test_a_bad_schema_is_an_error(
    verifier: JsonSchemaVerifier, schema: Any, complaint: str
) -> None:
    verdict: Verdict = await verifier.verify("?", GOOD, with_schema(schema))
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason
    if not isinstance(schema, str):
        with pytest.raises(ValidationError, match="expected a JSON Schema of Draft 2020-12, but"):
            JsonSchemaVerifier.Config(default_schema=schema)


async def test_no_schema_at_all_is_an_error() -> None:
    verifier = JsonSchemaVerifier(JsonSchemaVerifier.Config())
    verdict = await verifier.verify("?", GOOD, Target(kind="json_schema"))
    await verifier.close()
    assert (verdict.outcome, "got NoneType" in verdict.reason) == (Outcome.ERROR, True)


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "refers to 'http://127.0.0.1:9/schema.json'"),
        ({"$ref": "file:///etc/passwd"}, "refers to 'file:///etc/passwd'"),
        ({"$ref": "#/$defs/none"}, "which is not in it"),
        ({"$ref": "#"}, "nested too deeply"),
        (
            {"additionalProperties": {"pattern": r"^(\w+\s?)*$"}},
            "took longer than 1 seconds",
        ),
    ],
)
async def test_schemas_that_reach_out_or_never_end(
    verifier: JsonSchemaVerifier, schema: Any, complaint: str
) -> None:
    await verifier.start()
    response = json.dumps({"name": "word " * 20 + "!"})
    verdict = await verifier.verify("?", response, with_schema(schema))
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason


def test_nothing_is_fetched() -> None:
    class Schemas(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    with HTTPServer(("127.0.0.1", 0), Schemas) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/schema.json"
        # It is available.
        with urllib.request.urlopen(address) as response:
            assert response.read() == b"{}"
        assert outcome_of("5", {"$ref": address}) is Outcome.ERROR
        server.shutdown()
    assert Schemas.asked == ["/schema.json"]


def test_references_inside_the_schema_and_to_the_standard_are_followed() -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}
    assert outcome_of("[1, 2]", schema) is Outcome.PASS
    assert outcome_of('[1, "2"]', schema) is Outcome.FAIL
    standard = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert outcome_of('{"type": "string"}', standard) is Outcome.PASS
    assert outcome_of('{"type": "sting"}', standard) is Outcome.FAIL


@pytest.mark.parametrize(
    ("number", "divisor", "outcome"),
    [
        ("19.99", 0.01, Outcome.PASS),
        ("0.3", 0.1, Outcome.PASS),
        ("19.995", 0.01, Outcome.FAIL),
        ("7", 2, Outcome.FAIL),
        ("1e300", 0.5, Outcome.PASS),
        ("true", 2, Outcome.PASS),
    ],
)
def test_multiples_are_those_of_decimals(number: str, divisor: float, outcome: Outcome) -> None:
    assert outcome_of(number, {"multipleOf": divisor}) is outcome


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_found(value: object) -> None:
    for text in (json.dumps(value), f"So:\n```json\n{json.dumps(value, indent=1)}\n```\nthere."):
        found = find_json(text)
        assert found is not None
        assert found.value == value
    assert outcome_of(json.dumps(value), {"const": value}) is Outcome.PASS
    assert outcome_of(json.dumps([value]), {"const": value}) is Outcome.FAIL


@given(st.text(alphabet='{}[]",:1ae \n`jsonNaN', max_size=80))
def test_any_text_gets_an_outcome(text: str) -> None:
    assert check(({"type": "object"}, text))[0] in set(Outcome)
    assert check((False, text))[0] is not Outcome.PASS
