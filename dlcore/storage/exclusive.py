"""Files that, of all who try, only one can create: what the ownership of a run rests on, and the file systems that have it."""

import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from pyarrow import fs

from dlcore.storage.hdfs import Hdfs

Create: TypeAlias = Callable[[str, bytes], bool]
"""Makes the file of a path whole, unless there is one; whether it did."""

KNOWN = "this machine's, HDFS and S3"


def creator(system: fs.FileSystem) -> Create | None:
    """How a file system creates exclusively; None where it cannot, or nobody knows."""
    if isinstance(system, fs.LocalFileSystem):
        return _here
    if isinstance(system, fs.PyFileSystem) and isinstance(system.handler, Hdfs):
        return system.handler.create
    if isinstance(system, fs.S3FileSystem):
        return partial(_on_s3, _s3_client(system))
    return None


def _here(path: str, content: bytes) -> bool:
    """By a hard link, which a local disk and NFS make for one alone."""
    aside = Path(f"{path}.{uuid4().hex[:8]}")
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(content)
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


def _on_s3(client: Any, path: str, content: bytes) -> bool:
    """By a condition of the request, ``If-None-Match: *``, which pyarrow does not send and botocore does."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    bucket, _, key = path.partition("/")
    try:
        client.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
    except ClientError as error:
        if (status := error.response["ResponseMetadata"]["HTTPStatusCode"]) == 412:
            return False
        raise (PermissionError if status in (401, 403) else OSError)(f"creating {path}: {error}") from error
    except NoCredentialsError as error:
        raise PermissionError(f"creating {path}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"creating {path}: {error}") from error
    return True


def _s3_client(system: fs.S3FileSystem) -> Any:
    """A client with the options and credentials of pyarrow's; where that found these by itself, botocore looks at the same places."""
    _, (options,) = system.__reduce__()  # what it is pickled as: it has no other way to tell
    if options["role_arn"]:
        raise ValueError("a run on S3 takes no role_arn; name the role in a profile of AWS's own configuration")
    override = options["endpoint_override"]
    return _client(
        region_name=options["region"] or None,
        endpoint_url=f"{options['scheme']}://{override}" if override else None,
        aws_access_key_id=options["access_key"] or None,
        aws_secret_access_key=options["secret_key"] or None,
        aws_session_token=options["session_token"] or None,
        verify=options["tls_ca_file_path"] or None,
    )


@lru_cache(maxsize=4)  # making one takes a good part of a second, as long as all else in a commit
def _client(**options: str | None) -> Any:
    try:
        from botocore.config import Config
        from botocore.session import Session
    except ImportError as error:
        raise ImportError("a run on S3 needs the package botocore: pip install emberline[s3]") from error
    style = "path" if options["endpoint_url"] else "auto"
    return Session().create_client("s3", config=Config(s3={"addressing_style": style}), **options)
