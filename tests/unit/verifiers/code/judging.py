"""Short calls of the code verifier for tests."""

from typing import Any

from verifiers import Target, Verdict
from verifiers.code import CodeVerifier


async def judge(verifier: CodeVerifier, response: str, kind: str, **tests: Any) -> Verdict:
    return await verifier.verify("", response, Target(kind=kind, tests=tests))


async def calls(verifier: CodeVerifier, response: str, *cases: Any, **more: Any) -> Verdict:
    given = [{"args": args, "expected": expected} for *args, expected in cases]
    return await judge(verifier, response, "calls", entry_point="f", cases=given, **more)


async def printed(
    verifier: CodeVerifier, response: str, *cases: tuple[str, str], **more: Any
) -> Verdict:
    given = [{"input": read, "output": wanted} for read, wanted in cases]
    return await judge(verifier, response, "stdin_stdout", cases=given, **more)
