"""Description of a trained reward model, stored next to its weights as `berry_reward_model.json`.

It records the meaning of the scores, the tokenizer of the token ids, and the training problems, so that
nobody evaluates the model on them. A published model has no such file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

FILE = "berry_reward_model.json"
LEAST_PROBLEMS = 100
LEAST_RESPONSES = 1000
"""Rules of thumb: with fewer, a held-out tenth does not even give a reliable AUC."""
LEAST_AUC = 0.6


class TrainedModel(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["prm", "orm"]
    labels: Literal["hard", "soft", "p_correct", "outcome"]
    """Training target: `hard`, `soft`, `p_correct` as in the view `steps`, or a response's outcome."""
    up_to_first_error: bool = False
    """Whether a PRM was trained only up to the first wrong step; its later scores then mean little."""
    base: str
    """Base model of the training."""
    tokenizer: str
    """Value of `tokenizer_digest`."""
    train_problems: tuple[str, ...]
    """Ids of the training problems."""
    num_responses: int | None = None
    """Number of training responses; None in files of earlier versions."""
    held_out: dict[str, float | None] = {}
    """Figures on held-out problems; None for those that cannot be computed."""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, data: object) -> object:
        """Takes the names of earlier versions."""
        if not isinstance(data, dict):
            return data
        names = {"until_wrong": "up_to_first_error"}
        data = {names.get(key, key): value for key, value in data.items()}
        return data | ({"labels": "p_correct"} if data.get("labels") == "right" else {})

    @property
    def rests_on(self) -> str:
        """Size of the training data and the held-out AUC, as a phrase."""
        auc = self.held_out.get("auc")
        responses = "" if self.num_responses is None else f"{self.num_responses} responses to "
        known = "unknown" if auc is None else f"{auc:.2f}"
        return f"{responses}{len(self.train_problems)} problems, held-out AUC {known}"

    @property
    def weakness(self) -> str | None:
        """Reason not to base decisions on its scores yet; None if there is none."""
        auc = self.held_out.get("auc")
        reasons = []
        if len(self.train_problems) < LEAST_PROBLEMS:
            reasons.append(f"trained on under {LEAST_PROBLEMS} problems")
        if self.num_responses is not None and self.num_responses < LEAST_RESPONSES:
            reasons.append(f"trained on under {LEAST_RESPONSES} responses")
        if auc is None:
            reasons.append("not measured on held-out problems")
        elif auc < LEAST_AUC:
            reasons.append(f"hardly better than chance (AUC under {LEAST_AUC})")
        return ", ".join(reasons) or None

    def write(self, folder: Path) -> None:
        """Writes the file into the model's folder. Raises OSError."""
        (folder / FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "TrainedModel | None":
        """The description in the folder; None for a model that berry did not train.

        Raises ValueError for a file that cannot be read.
        """
        try:
            return cls.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as e:
            raise ValueError(f"{folder / FILE}: cannot be read ({e.strerror})") from e
        except (UnicodeDecodeError, ValidationError) as e:
            raise ValueError(
                f"{folder / FILE}: is damaged, expected the content that `berry train` wrote"
            ) from e


def tokenizer_digest(tokenizer: Any) -> str:
    """A hash of a transformers tokenizer's vocabulary; equal if token ids mean the same."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items()))
    return hashlib.blake2b(vocabulary.encode(), digest_size=8).hexdigest()
