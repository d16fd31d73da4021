"""`berry push`: publishes the views of a run, and what was measured of it, on the Hugging Face Hub.

The upload is huggingface_hub's own: repeated, it sends only what is not there yet. Files of the same
views that earlier pushes left and the run no longer has, for example since its parts were merged, are
deleted with it. The card is the run's README.md, as its user may have edited it.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.card import current_card, render_card, split_card, stored_in
from pipeline.datasets.damage import find_damage, is_waiting
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.staging import merged_path
from pipeline.datasets.trust.stored import TRUST, trust_files
from pipeline.datasets.views.table import VIEWS
from pipeline.errors import RunFailure, UserMistake, message_of
from pipeline.extras import missing
from pipeline.files.publishing import explained
from pipeline.files.storage import is_local, num_bytes

_NO_ACCESS = {401, 403}
_USERS = {400, 404, 409, *_NO_ACCESS}
"""HTTP statuses by which the Hub says that the request, not the Hub, has to change."""
_RUN_JSON = "run.json"
_OWN = re.compile(
    rf"\.gitattributes|README\.md|{TRUST}/[^/]+\.json|data/({'|'.join(VIEWS)})/part-\d+\.parquet"
)
"""Files that an interrupted push, or the Hub itself, may have left in a dataset."""


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
    views: tuple[str, ...]
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
    for a run without a committed part, with damaged files or with a card that cannot be read.
    """
    if not is_local(out):
        raise PushError(f"{out}: expected a local folder; copy the run from its store first")
    _check_name(repo_id)
    folder = RunFolder.read(out)
    RunReader(folder).require_parts()
    if damage := find_damage(folder):
        raise FolderError(damage[0])
    stored = [
        view
        for view in stored_in(folder)
        if all(view in folder.parts[index].rows for index in folder.parts)
    ]
    if wrong := [view for view in views if view not in stored]:
        raise PushError(
            f"--view {wrong[0]}: expected one of {', '.join(stored)}; to store it, run `berry export "
            f"{out} --as {wrong[0]}`"
        )
    chosen = tuple(view for view in stored if view in views or not views)
    files = {_RUN_JSON: out / _RUN_JSON}
    files |= {f"{TRUST}/{path.name}": path for path in trust_files(out)}
    with explained(out):
        for view in chosen:
            for index in folder.parts:
                path = folder.part_path(view, index)
                waits = is_waiting(folder, view, index)
                files[f"data/{view}/{path.name}"] = merged_path(out, view, index) if waits else path
        size = sum(map(num_bytes, files.values()))
        card, notes = _card(folder, repo_id, chosen)
    return PushPlan(
        repo_id=repo_id,
        revision=revision,
        is_private=is_private,
        views=chosen,
        files=files,
        num_bytes=size,
        card=card,
        notes=notes,
    )


def _check_name(repo_id: str) -> None:
    if why := missing("huggingface_hub", "berry push"):
        raise PushError(why)
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    wrong = "" if "/" in repo_id else "it has no user or organization"
    try:
        validate_repo_id(repo_id)
    except HFValidationError as e:
        wrong = message_of(e)
    if wrong:
        raise PushError(f"REPO_ID: expected a name such as user/name, got {repo_id} ({wrong})")


def _card(folder: RunFolder, repo_id: str, views: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The card for the Hub, and what the user should know about it."""
    readme = folder.path / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else render_card(folder)
    notes = []
    if folder.complete is None:
        notes.append("the run is unfinished: only its committed parts are sent")
    if split_card(text)[0].get("license") in (None, "unknown"):
        cure = f"set dataset.licenses.dataset, or `license` at the top of {readme}"
        notes.append(f"the card names no licence: {cure}")
    return current_card(folder, text, repo_id, views), tuple(notes)


def push(plan: PushPlan) -> str:
    """Sends the files; returns the dataset's URL. Can be repeated after a failure.

    Raises PushError if the Hub refuses, and RunFailure if it cannot be reached or fails.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if get_token() is None:
        raise PushError("expected a token of the Hugging Face Hub, got none; run `hf auth login` first")
    try:
        return _send(plan, HfApi())
    except HfHubHTTPError as e:
        status = e.response.status_code if e.response is not None else None
        why = f"{plan.repo_id}: the Hub answers {status} ({message_of(e)})"
        if status in _NO_ACCESS:
            raise PushError(f"{why}; does your token have write access there?") from e
        if status in _USERS:
            raise PushError(why) from e
        raise RunFailure(f"{why}; repeat the command") from e
    except PushError:
        raise
    except (ValueError, OfflineModeIsEnabled) as e:
        raise PushError(f"{plan.repo_id}: cannot be sent ({message_of(e)})") from e
    except Exception as e:
        why = f"{type(e).__name__}: {message_of(e)}"
        raise RunFailure(f"{plan.repo_id}: cannot be sent ({why}); repeat the command") from e


def _send(plan: PushPlan, api: Any) -> str:
    where = {"repo_id": plan.repo_id, "repo_type": "dataset"}
    url = str(api.create_repo(**where, private=plan.is_private, exist_ok=True))
    there = api.list_repo_files(**where)
    foreign = sorted(name for name in there if not _OWN.fullmatch(name))
    if foreign and _RUN_JSON not in there:
        raise PushError(
            f"{plan.repo_id}: expected a new dataset or one that berry pushed, found {foreign[0]}; "
            "name another one"
        )
    if plan.revision is not None:
        api.create_branch(**where, branch=plan.revision, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="berry-push-") as folder:
        _link(plan, Path(folder))
        api.upload_folder(
            **where,
            folder_path=folder,
            revision=plan.revision,
            commit_message="Push by berry",
            delete_patterns=[
                f"{TRUST}/*.json",
                *(f"data/{view}/part-*.parquet" for view in plan.views),
            ],
        )
    return url


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
