"""The system calls that sandboxed programs are refused, as a filter program for the kernel (seccomp BPF).

Everything else is allowed: namespaces hold the program already, and the filter takes away what could reach around them
or around the limits. A refused call fails with "Operation not permitted", which a program sees as an ordinary error.
Calls through another architecture's table (32-bit on 64-bit) end the process.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass, field
from functools import cache

# From linux/audit.h and linux/bpf_common.h, linux/seccomp.h.
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# Offsets into `struct seccomp_data`: the number, the architecture, the low half of the first argument.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
# The second table of x86_64, which the same architecture code covers.
_X32_TABLE = 0x40000000

_CLONE_THREAD = 0x00010000
# Every CLONE_NEW* flag that `clone` itself takes: mount, cgroup, uts, ipc, user, pid, net.
_CLONE_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

# Numbers on (x86_64, aarch64); None where the architecture lacks the call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # Other processes: their memory, their files, new ones.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "fork": (57, None),
    "vfork": (58, None),
    # The network: `socketpair` stays, which asyncio needs and which leads nowhere.
    "socket": (41, 198),
    # Namespaces, mounts and roots.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # Memory that no limit of the process counts, or that outlives it.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Large parts of the kernel that a test program has no use for.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "vmsplice": (278, 75),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    # The machine itself.
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_CLONE = (56, 220)
# Takes its flags in memory, which no filter can read: "not there" makes the C library fall back to `clone`.
_CLONE3 = (435, 435)
# Machine name to (column above, AUDIT_ARCH_*).
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def supported() -> bool:
    """Whether there is a filter for this machine's architecture."""
    return platform.machine() in _MACHINES


@cache
def filter_program(*, threads: bool) -> bytes:
    """The filter as an array of `struct sock_filter`; without `threads` every `clone` is refused."""
    column, architecture = _MACHINES[platform.machine()]
    program = _Program()
    program.add(_LOAD_WORD, _ARCHITECTURE)
    program.add(_JUMP_EQUAL, architecture, if_false="kill")
    program.add(_LOAD_WORD, _NUMBER)
    if column == 0:
        program.add(_JUMP_AT_LEAST, _X32_TABLE, if_true="refuse")
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            program.add(_JUMP_EQUAL, number, if_true="refuse")
    program.add(_JUMP_EQUAL, _CLONE3[column], if_true="not there")
    program.add(_JUMP_EQUAL, _CLONE[column], if_false="allow", if_true=None if threads else "refuse")
    program.add(_LOAD_WORD, _FIRST_ARGUMENT)
    program.add(_JUMP_ANY_BIT, _CLONE_NAMESPACES, if_true="refuse")
    program.add(_JUMP_ANY_BIT, _CLONE_THREAD, if_false="refuse")
    program.label("allow", _ALLOW)
    program.label("refuse", _ERRNO | errno.EPERM)
    program.label("not there", _ERRNO | errno.ENOSYS)
    program.label("kill", _KILL_PROCESS)
    return program.assembled()


@dataclass
class _Program:
    """Instructions that may jump forward to a label, assembled once every label has its place."""

    instructions: list[tuple[int, int, str | None, str | None]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, code: int, value: int, *, if_true: str | None = None, if_false: str | None = None) -> None:
        self.instructions.append((code, value, if_true, if_false))

    def label(self, name: str, returned: int) -> None:
        self.labels[name] = len(self.instructions)
        self.add(_RETURN, returned)

    def assembled(self) -> bytes:
        """Jumps are one byte: how many instructions to leap over, so a program has at most some 255 of them."""
        return b"".join(
            struct.pack("=HBBI", code, self._leap(place, if_true), self._leap(place, if_false), value)
            for place, (code, value, if_true, if_false) in enumerate(self.instructions)
        )

    def _leap(self, place: int, label: str | None) -> int:
        return 0 if label is None else self.labels[label] - place - 1
