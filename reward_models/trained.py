"""What a trained reward model's folder says of itself, beside the weights: `berry_reward_model.json`.

It tells what the scores mean, whose token ids they are of, and which problems the model has seen, so
that nobody measures it on those. A published model has no such file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "berry_reward_model.json"
LEAST_PROBLEMS = 100
LEAST_RESPONSES = 1000
"""Rules of thumb: with less, a tenth of it held out, even the AUC is hardly known."""
LEAST_AUC = 0.6


class TrainedModel(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["prm", "orm"]
    labels: Literal["hard", "soft", "right", "outcome"]
    """What was learnt: hard, soft and `right` as in the view `steps`, or a response's outcome."""
    until_wrong: bool = False
    """Whether a PRM learnt up to the first wrong step alone: of those behind it says little."""
    base: str
    """The model that it was trained from."""
    tokenizer: str
    """As `tokenizer_digest` has it."""
    train_problems: tuple[str, ...]
    """Ids of the problems that it was trained on."""
    num_responses: int | None = None
    """Responses that it was trained on; None in files of earlier versions."""
    held_out: dict[str, float | None] = {}
    """Figures on problems that it was not trained on; None where one cannot be had."""

    @property
    def rests_on(self) -> str:
        """What it was trained on, and how good it is on what it was not."""
        auc = self.held_out.get("auc")
        responses = "" if self.num_responses is None else f"{self.num_responses} responses to "
        known = "unknown" if auc is None else f"{auc:.2f}"
        return f"{responses}{len(self.train_problems)} problems, held-out AUC {known}"

    @property
    def weakness(self) -> str | None:
        """Why its scores should not decide anything yet; None if nothing speaks against it."""
        auc = self.held_out.get("auc")
        reasons = []
        if len(self.train_problems) < LEAST_PROBLEMS:
            reasons.append(f"trained on under {LEAST_PROBLEMS} problems")
        if self.num_responses is not None and self.num_responses < LEAST_RESPONSES:
            reasons.append(f"trained on under {LEAST_RESPONSES} responses")
        if auc is None:
            reasons.append("not measured on any problem that it has not seen")
        elif auc < LEAST_AUC:
            reasons.append(f"hardly better than chance (AUC under {LEAST_AUC})")
        return ", ".join(reasons) or None

    def write(self, folder: Path) -> None:
        """Puts the file into the model's folder. Raises OSError."""
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "TrainedModel | None":
        """What the folder says; None for a model that was not trained here.

        Raises ValueError for a file that cannot be read as one.
        """
        try:
            return cls.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as e:
            raise ValueError(f"{folder / FILE}: cannot be read ({e.strerror})") from e
        except (UnicodeDecodeError, ValidationError) as e:
            raise ValueError(
                f"{folder / FILE}: is damaged, expected what `berry train` wrote there"
            ) from e


def tokenizer_digest(tokenizer: Any) -> str:
    """A hash of a transformers tokenizer's vocabulary: the same for those whose ids mean the same."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items()))
    return hashlib.blake2b(vocabulary.encode(), digest_size=8).hexdigest()
