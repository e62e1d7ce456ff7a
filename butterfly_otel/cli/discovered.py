"""Targets from files, as Prometheus' ``file_sd_configs`` has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from butterfly_otel.lint.expositions.fetch import TargetError, is_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHAPE = "a list of groups, each with a list of targets, such as [{targets: [node-1:9464]}]"
_PARAMETER = "__param_"


def targets_of(targets: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return the targets that are named, then those in files, each once.

    Raises:
        TargetError: When a file can't be read, or there are no targets at all.
    """
    found = [*targets]
    for path in files:
        found += _read(path)
    if not found:
        raise TargetError("there are no targets; name one, or --file-sd with some")
    return list(dict.fromkeys(found))


def _read(path: str) -> Iterator[str]:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"--file-sd {path} cannot be read: {reason}; name another file") from None
    groups = _parse(path, text)
    if not isinstance(groups, list):
        raise TargetError(f"--file-sd {path} must be {_SHAPE}")
    for group in cast("list[object]", groups):
        yield from _of_group(path, group)


def _parse(path: str, text: str) -> object:
    if path.endswith(".json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TargetError(f"--file-sd {path} is no JSON: {error}; correct it") from None
    try:
        import yaml  # noqa: PLC0415 - optional

        from butterfly_otel.views.safe_yaml import parse  # noqa: PLC0415 - needs it
    except ImportError:
        raise TargetError(
            f"--file-sd {path} is read as YAML, which needs a library: pip install PyYAML, or"
            " write it as JSON into a file named .json"
        ) from None
    try:
        return parse(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        mark: Any = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise TargetError(f"--file-sd {path}{where} is no YAML: {problem}; correct it") from None


def _of_group(path: str, group: object) -> Iterator[str]:
    found = cast("dict[str, object]", group) if isinstance(group, dict) else {}
    targets, labels = found.get("targets"), found.get("labels")
    if not isinstance(targets, list) or not isinstance(labels, (dict, type(None))):
        raise TargetError(f"--file-sd {path} must be {_SHAPE}")
    texts = {
        str(key): str(value) for key, value in cast("dict[object, object]", labels or {}).items()
    }
    for target in cast("list[object]", targets):
        if not isinstance(target, str) or not target:
            raise TargetError(
                f"--file-sd {path} has a target that is no text: {target!r}; quote it"
            )
        url = _url(target, texts)
        if not is_endpoint(url):
            # Nor must a file that others write make us read files of this machine.
            raise TargetError(
                f"--file-sd {path} has the target {target!r}, which is not a host with a port;"
                " write it as node-1:9464"
            )
        yield url


def _url(target: str, labels: dict[str, str]) -> str:
    """Return what Prometheus would ask, before any relabelling."""
    if "://" in target:
        return target
    parameters = {
        key.removeprefix(_PARAMETER): value
        for key, value in labels.items()
        if key.startswith(_PARAMETER)
    }
    # A path alone does not tell the scheme, which is left to the options where no label does.
    scheme = labels.get("__scheme__")
    path = labels.get("__metrics_path__", "")
    if parameters:
        path = f"{path or '/metrics'}?{urlencode(parameters)}"
    return (f"{scheme}://" if scheme else "") + target + path
