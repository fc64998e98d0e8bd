"""Documents: one far larger than memory should be, up and down through every real store.

Each store is used by a process of its own (see `transfer`); the server behind it is another process
and does not count. The content is generated on the fly and never repeats.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import boto3
from azure.storage.blob import BlobServiceClient

from infra.local.aws.account import REGION
from infra.local.aws.servers import aws_environment, start_aws
from infra.local.azure.azurite import ACCOUNT, start_azurite
from infra.local.environment import outside_environment
from infra.local.processes import ROOT, Processes
from infra.local.signals import interruptible, uninterrupted
from tests.benchmarks.figures import Figure

_MIB: Final = 1024 * 1024
_BOUND: Final = 64.0
_NAME: Final = "docs"


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    size = 128 if quick else 1024
    found: list[Figure] = []
    with interruptible():
        for name, place in (("folder", _folder), ("S3", _s3), ("Blob Storage", _blob)):
            with place(folder) as (root, env):
                found += _figures(name, _transfer(root, size, env), size)
    return found


def _transfer(root: str, size: int, env: Mapping[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.transfer", root, str(size * _MIB)]
    ended = subprocess.run(
        command, env={**outside_environment(), **env}, cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    sample: dict[str, float] = json.loads(ended.stdout)
    return sample


def _figures(store: str, sample: Mapping[str, float], size: int) -> list[Figure]:
    document = f"a document of {size:,} MiB"
    return [
        Figure(
            what=f"{store}: memory for {document}",
            against="none open",
            unit="MiB",
            ours=sample["growth"],
            at_most=_BOUND,
            samples=1,
        ),
        *(
            Figure(
                what=f"{store}: {way}",
                against=document,
                unit="MiB/s",
                ours=size / sample[way],
                samples=1,
            )
            for way in ("up", "down")
        ),
    ]


@contextmanager
def _folder(folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield f"file://{folder}/{_NAME}/", {}
    for left in (folder / _NAME).iterdir():
        left.unlink()


@contextmanager
def _s3(folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    with _servers(folder / "s3") as processes:
        # On disk moto takes twice as long to join the parts.
        in_memory = {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(2048 * _MIB)}
        server = start_aws(processes, outside_environment() | in_memory)
        server.wait()
        env = aws_environment(server.endpoint)
        s3 = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name=REGION,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )
        s3.create_bucket(Bucket=_NAME, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.close()
        yield f"s3://{_NAME}/", env


@contextmanager
def _blob(folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    with _servers(folder / "blob") as processes:
        server = start_azurite(processes, outside_environment(), folder=folder / "blob" / "content")
        azurite = server.wait()
        with BlobServiceClient.from_connection_string(azurite.connection) as service:
            service.create_container(_NAME)
        yield f"azure://{ACCOUNT}/{_NAME}/", azurite.environment


@contextmanager
def _servers(folder: Path) -> Iterator[Processes]:
    processes = Processes(folder)
    try:
        yield processes
    finally:
        with uninterrupted():
            processes.stop()
