"""What the parts of a profile have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Line = Annotated[str, Field(max_length=500)]
"""Something the agent says; empty: nothing."""

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]


class Section(BaseModel):
    """A part of a profile: no unknown keys, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


def refusal(problem: str) -> PydanticCustomError:
    """What a validator raises: `problem` is shown as it is, so it must hold no secret."""
    return PydanticCustomError("refused", "{problem}", {"problem": problem})
