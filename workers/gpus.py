"""What a kind of GPU is, to the planner and to utilisation: memory, peak arithmetic speed, how many share a node.

The table holds published figures; another GPU is described in its name, `MI300X-192GB@1307TFLOPS`. Memory is the
published capacity in decimal gigabytes, which is never more than the driver reports. Peak is dense bfloat16 with
float32 accumulation, without the sparsity that data sheets like to double it with.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from db.errors import SpecError

GIGABYTE = 1e9
_TERA = 1e12


@dataclass(frozen=True)
class GpuType:
    """One kind of GPU: bytes of memory, dense bfloat16 FLOP/s, and GPUs in a node (fast links end there)."""

    name: str
    memory_bytes: float
    peak_flops: float
    gpus_per_node: int = 8

    def __post_init__(self) -> None:
        if self.memory_bytes <= 0 or self.peak_flops <= 0 or self.gpus_per_node < 1:
            raise SpecError(f"GPU {self.name!r}: memory, peak FLOP/s and GPUs per node must be positive.")


def _published(name: str, gigabytes: float, teraflops: float, gpus_per_node: int = 8) -> GpuType:
    return GpuType(name, gigabytes * GIGABYTE, teraflops * _TERA, gpus_per_node)


GPU_TYPES = {
    gpu.name: gpu
    for gpu in (
        _published("B200-180GB", 180, 2250),
        _published("H200-141GB", 141, 989.4),
        _published("H100-80GB", 80, 989.4),  # SXM
        _published("H100-NVL-94GB", 94, 835.5),
        _published("H100-PCIe-80GB", 80, 756),
        _published("H800-80GB", 80, 989.4),
        _published("H20-96GB", 96, 148),
        _published("A100-80GB", 80, 312),
        _published("A100-40GB", 40, 312),
        _published("A800-80GB", 80, 312),
        _published("L40S-48GB", 48, 362),
        _published("L40-48GB", 48, 181),
        _published("A40-48GB", 48, 149.7),
        _published("A10-24GB", 24, 125),
        _published("L4-24GB", 24, 121),
        _published("RTX-5090-32GB", 32, 209.5, gpus_per_node=4),
        _published("RTX-4090-24GB", 24, 165.2, gpus_per_node=4),
        _published("RTX-3090-24GB", 24, 71, gpus_per_node=4),
    )
}


# What CUDA calls them, where that is the kind of the table: a slice of one, or a slower relative, is another device.
_DEVICES = {
    "NVIDIA B200": "B200-180GB",
    "NVIDIA H200": "H200-141GB",
    "NVIDIA H100 80GB HBM3": "H100-80GB",
    "NVIDIA H100 NVL": "H100-NVL-94GB",
    "NVIDIA H100 PCIe": "H100-PCIe-80GB",
    "NVIDIA H800": "H800-80GB",
    "NVIDIA H20": "H20-96GB",
    "NVIDIA A100-SXM4-80GB": "A100-80GB",
    "NVIDIA A100 80GB PCIe": "A100-80GB",
    "NVIDIA A100-SXM4-40GB": "A100-40GB",
    "NVIDIA A100-PCIE-40GB": "A100-40GB",
    "NVIDIA A800-SXM4-80GB": "A800-80GB",
    "NVIDIA A800 80GB PCIe": "A800-80GB",
    "NVIDIA L40S": "L40S-48GB",
    "NVIDIA L40": "L40-48GB",
    "NVIDIA A40": "A40-48GB",
    "NVIDIA A10": "A10-24GB",
    "NVIDIA L4": "L4-24GB",
    "NVIDIA GeForce RTX 5090": "RTX-5090-32GB",
    "NVIDIA GeForce RTX 4090": "RTX-4090-24GB",
    "NVIDIA GeForce RTX 3090": "RTX-3090-24GB",
}


def gpu_of_device(device: str) -> GpuType | None:
    """The GPU that a trial recorded as its device, by the name that torch gives it; None for any other device."""
    name = _DEVICES.get(device)
    return None if name is None else GPU_TYPES[name]


# NAME-<gigabytes>GB@<teraflops>TFLOPS, then x<GPUs per node> where that is not 8.
_DESCRIBED = re.compile(
    r"(?P<name>.+)-(?P<gigabytes>[\d.]+)GB@(?P<teraflops>[\d.]+)TFLOPS(?:X(?P<gpus_per_node>\d+))?", re.IGNORECASE
)
_HOW_TO_DESCRIBE = (
    "Another kind is described by its memory, its dense bfloat16 peak and, where that is not 8, how many are in a "
    "node: MI300X-192GB@1307TFLOPS or MI300X-192GB@1307TFLOPSx4."
)


def gpu_type(name: str) -> GpuType:
    """The GPU of that name, in any case, with or without the memory it ends in where that is unambiguous.

    A kind that the table lacks is described in its name, as in `MI300X-192GB@1307TFLOPS`. Raises SpecError with the
    known names.
    """
    wanted = name.strip().upper().replace(" ", "-").replace("_", "-")
    by_name = {known.upper(): gpu for known, gpu in GPU_TYPES.items()}
    if wanted in by_name:
        return by_name[wanted]
    if described := _DESCRIBED.fullmatch(name.strip()):
        return _described(name.strip(), described)
    shorter = [gpu for known, gpu in by_name.items() if known.rpartition("-")[0] == wanted]
    if len(shorter) == 1:
        return shorter[0]
    if shorter:
        raise SpecError(f"GPU {name!r} is ambiguous; it is one of {', '.join(gpu.name for gpu in shorter)}.")
    by_any_name = {known.rpartition("-")[0]: gpu for known, gpu in reversed(by_name.items())} | by_name
    found = difflib.get_close_matches(wanted, by_any_name, n=3)
    close = dict.fromkeys(by_any_name[known].name for known in found)
    nearest = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(GPU_TYPES)}."
    raise SpecError(f"GPU {name!r} is not known; {nearest} {_HOW_TO_DESCRIBE}")


def _described(name: str, given: re.Match[str]) -> GpuType:
    try:
        gigabytes, teraflops = float(given["gigabytes"]), float(given["teraflops"])
    except ValueError:
        raise SpecError(f"GPU {name!r} is described with what is no number. {_HOW_TO_DESCRIBE}") from None
    return _published(name, gigabytes, teraflops, int(given["gpus_per_node"] or 8))
