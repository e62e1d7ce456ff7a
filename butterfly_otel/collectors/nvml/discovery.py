"""Finding GPUs and MIG instances, whatever some of them answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from butterfly_otel.collectors.nvml.answers import NvmlError
from butterfly_otel.collectors.nvml.codes import DEVICE_LOST, LIBRARY_GONE, Code
from butterfly_otel.collectors.nvml.device import Found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from butterfly_otel.collectors.nvml.answers import Handle
    from butterfly_otel.collectors.nvml.api import Nvml
    from butterfly_otel.collectors.nvml.problems import Problems

#: What identifies a GPU in labels.
Naming = Literal["uuid", "index", "pci"]


class Discovery(NamedTuple):
    """What was found.

    Attributes:
        found: Those that answer, each followed by its instances.
        lost: What those that are lost said, by index.
    """

    found: list[Found]
    lost: dict[int, str]


def discover(nvml: Nvml, indexes: Iterable[int], naming: Naming, problems: Problems) -> Discovery:
    """Find every device of some GPUs.

    Args:
        nvml: NVML, initialised.
        indexes: Which GPUs to look at, which attaches to them.
        naming: What becomes of ``gpu_id``.
        problems: Where devices that cannot be used are reported.

    Raises:
        NvmlError: When NVML as a whole does not answer.
    """
    result = Discovery([], {})
    for index in indexes:
        try:
            result.found.extend(_board(nvml, naming, index))
            problems.forget("open", index)
        except NvmlError as error:  # noqa: PERF203 - one GPU must not hide the others
            if error.code in LIBRARY_GONE:
                raise
            if error.code in DEVICE_LOST:
                result.lost[index] = str(error)
            else:
                message = f"GPU {index} cannot be read and is left out: {error}"
                problems.once("open", index, level=logging.WARNING, message=message)
    return result


def _board(nvml: Nvml, naming: Naming, index: int) -> list[Found]:
    handle = nvml.device(index)
    uuid = nvml.uuid(handle)
    if naming == "uuid":
        gpu_id = uuid
    else:
        gpu_id = str(index) if naming == "index" else nvml.pci_address(handle)
    in_mig_mode = _mig_enabled(nvml, handle)
    board = Found(gpu_id, uuid, str(index), index, handle, None, in_mig_mode, None, (handle,))
    return [board, *_instances(nvml, naming, board)] if in_mig_mode else [board]


def _mig_enabled(nvml: Nvml, handle: Handle) -> bool:
    try:
        return nvml.mig_enabled(handle)
    except NvmlError as error:
        # Most GPUs have no MIG, and older drivers have never heard of it.
        if error.code in {Code.NOT_SUPPORTED, Code.FUNCTION_NOT_FOUND}:
            return False
        raise


def _instances(nvml: Nvml, naming: Naming, board: Found) -> list[Found]:
    """Return one device for each GPU instance.

    Compute instances of one GPU instance share its memory and its counters, so each of them
    reporting these would count them more than once. The first gives its identity.
    """
    instances: dict[int, Found] = {}
    for slot in range(nvml.mig_slots(board.board)):
        try:
            mig = nvml.mig_device(board.board, slot)
            gpu_instance = nvml.gpu_instance(mig)
            uuid = nvml.uuid(mig)
        except NvmlError as error:
            # An empty slot, or an instance destroyed while we look at it.
            if error.code in {Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.NO_PERMISSION}:
                continue
            raise
        known = instances.get(gpu_instance)
        if known is not None:
            instances[gpu_instance] = known._replace(handles=(*known.handles, mig))
            continue
        name = f"{board.gpu_index}:{slot}"
        names = {"uuid": uuid, "index": name, "pci": f"{board.gpu_id}/{gpu_instance}"}
        instances[gpu_instance] = Found(
            gpu_id=names[naming],
            uuid=uuid,
            name=name,
            gpu_index=board.gpu_index,
            board=board.board,
            parent=board.gpu_id,
            in_mig_mode=False,
            gpu_instance=gpu_instance,
            handles=(mig,),
        )
    return list(instances.values())
