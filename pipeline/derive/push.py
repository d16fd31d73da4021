"""`berry push`: publishes the views of a run as a dataset on the Hugging Face Hub.

The upload is huggingface_hub's own: repeated, it sends only what is not there yet. Files that earlier
pushes left and the run no longer has, for example since its parts were merged, are deleted by the same
commits. The card is the run's README.md, as its user may have edited it, with the Hub's name instead of
the local path.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.card import render_card
from pipeline.datasets.damage import find_damage
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.errors import RunFailure, UserMistake, message_of
from pipeline.extras import missing
from pipeline.files.publishing import explained
from pipeline.files.storage import is_local, num_bytes

_USERS = {400, 401, 403, 404, 409}
"""HTTP statuses by which the Hub says that the request, not the Hub, has to change."""
_FENCE = "---"
_LOADS = re.compile(r'load_dataset\("[^"]*", "(\w+)"\)(.*)')
"""A line of the card that loads a view from a local folder."""


class PushError(UserMistake):
    """The dataset cannot be pushed like this; the message is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """What a push sends."""

    repo_id: str
    """Name on the Hub, such as `user/name`."""
    revision: str | None
    """Branch; None for the main one."""
    is_private: bool
    """Whether the repository is private if the push creates it."""
    files: dict[str, Path]
    """Name in the repository -> local file, without the card."""
    num_bytes: int
    """Bytes of the files."""
    card: str
    notes: tuple[str, ...]
    """Lines for the user."""


def plan_push(
    out: Path,
    repo_id: str,
    *,
    views: Sequence[str] = (),
    revision: str | None = None,
    is_private: bool = True,
) -> PushPlan:
    """Checks the run and lists what a push sends; `views` are all that are stored by default.

    Raises PushError for a name that the Hub does not take or a view that is not stored, and FolderError
    for a run without a committed part or with damaged files.
    """
    if not is_local(out):
        raise PushError(f"{out}: expected a local folder; copy the run from its store first")
    _check_name(repo_id)
    folder = RunFolder.read(out)
    RunReader(folder).require_parts()
    if damage := find_damage(folder):
        raise FolderError(damage[0])
    stored = [view for view in VIEWS if _is_stored(folder, view)]
    wrong = [view for view in views if view not in stored]
    if wrong:
        raise PushError(
            f"--view {wrong[0]}: expected one of {', '.join(stored)}; to store it, run `berry export "
            f"{out} --as {wrong[0]}`"
        )
    chosen = list(views) or stored
    files = {
        f"data/{view}/{path.name}": path
        for index in folder.parts
        for view in chosen
        for path in [folder.part_path(view, index)]
    }
    with explained(out):
        size = sum(map(num_bytes, files.values()))
        card, notes = _card(folder, repo_id, chosen)
    return PushPlan(
        repo_id=repo_id,
        revision=revision,
        is_private=is_private,
        files={"run.json": out / "run.json", **files},
        num_bytes=size,
        card=card,
        notes=notes,
    )


def _is_stored(folder: RunFolder, view: str) -> bool:
    return all(view in folder.parts[index].rows for index in folder.parts)


def _check_name(repo_id: str) -> None:
    if why := missing("huggingface_hub", "berry push"):
        raise PushError(why)
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as e:
        raise PushError(f"REPO_ID: expected a name such as user/name, got {repo_id} ({e})") from e


def _card(folder: RunFolder, repo_id: str, views: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The card for the Hub, and what the user should know about it."""
    readme = folder.path / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else render_card(folder)
    head, body = _split(text)
    head["configs"] = [one for one in head.get("configs", []) if one.get("config_name") in views]
    lines = [_for_hub(line, repo_id, views) for line in body.splitlines()]
    notes = []
    if folder.complete is None:
        notes.append("the run is unfinished: only its committed parts are sent")
    if head.get("license") in (None, "unknown"):
        notes.append(f"the card names no licence: set `license` at the top of {readme}")
    if "(fill in)" in body:
        notes.append(f"the card still has `(fill in)`: complete {readme}")
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip()
    text = [_FENCE, front, _FENCE, *(line for line in lines if line is not None), ""]
    return "\n".join(text), tuple(notes)


def _split(text: str) -> tuple[dict[str, Any], str]:
    """The card's YAML and its text; no YAML if there is none that can be read."""
    parts = text.split(f"{_FENCE}\n", 2)
    if len(parts) == 3 and not parts[0].strip():
        try:
            head = yaml.safe_load(parts[1])
        except yaml.YAMLError:
            head = None
        if isinstance(head, dict):
            return head, parts[2]
    return {}, text


def _for_hub(line: str, repo_id: str, views: Sequence[str]) -> str | None:
    """A line of the card; None if it loads a view that is not sent."""
    loads = _LOADS.match(line)
    if loads is None:
        return line
    return f'load_dataset("{repo_id}", "{loads[1]}"){loads[2]}' if loads[1] in views else None


def push(plan: PushPlan) -> str:
    """Sends the files; returns the dataset's URL. Can be repeated after a failure.

    Raises PushError if the Hub refuses, and RunFailure if it cannot be reached or fails.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    try:
        url = api.create_repo(plan.repo_id, repo_type="dataset", private=plan.is_private, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="berry-push-") as folder:
            _link(plan, Path(folder))
            api.upload_folder(
                repo_id=plan.repo_id,
                repo_type="dataset",
                folder_path=folder,
                revision=plan.revision,
                commit_message="Push by berry",
                delete_patterns=["data/*"],
            )
    except LocalTokenNotFoundError as e:
        raise PushError("expected a token of the Hugging Face Hub; run `hf auth login` first") from e
    except HfHubHTTPError as e:
        status = e.response.status_code if e.response is not None else None
        why = f"{plan.repo_id}: the Hub answers {status} ({message_of(e)})"
        if status in _USERS:
            raise PushError(f"{why}; does your token have write access there?") from e
        raise RunFailure(f"{why}; repeat the command") from e
    except Exception as e:
        why = f"{type(e).__name__}: {message_of(e)}"
        raise RunFailure(f"{plan.repo_id}: cannot be sent ({why}); repeat the command") from e
    return str(url)


def _link(plan: PushPlan, folder: Path) -> None:
    """A folder as the repository is to be."""
    (folder / "README.md").write_text(plan.card, encoding="utf-8")
    for name, path in plan.files.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())


def describe(plan: PushPlan, url: str | None) -> str:
    """The lines for the user; without a URL, what would be sent."""
    access = "private, if it is new" if plan.is_private else "public, if it is new"
    lines = [f"{'dataset':<10} {url or plan.repo_id} ({access})"]
    done = "sent" if url else "would send"
    lines.append(f"{done:<10} {len(plan.files) + 1} files, {plan.num_bytes / 1e6:.1f} MB")
    if url is None:
        lines += [f"{'':<10} {name}" for name in ("README.md", *plan.files)]
    lines += [f"{'note':<10} {note}" for note in plan.notes]
    return "\n".join(lines)
