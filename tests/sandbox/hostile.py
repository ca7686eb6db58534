"""Hostile solutions: not one may pass TESTS, and not one may leave anything behind.

ATTACKS are statements of a solution that answers rightly if, and only if, they go through without an error: passing
would mean that the attack succeeded. FORGERIES are whole sources that never answer rightly and want to pass even so.
`HOME`, `PARENT`, `PORT`, `MARKER` and `PROJECT` stand for what the test planted.
"""

# ruff: noqa: E501  one program a line
from __future__ import annotations

from textwrap import dedent, indent

# The right answer is twice the argument.
TESTS = """
assert f(2) == 4
assert f("ab") == "abab"
given = [1]
assert f(given) == given + given
"""

# Attacks that the machine survives, and that go through where nothing isolates the program.
GO_THROUGH_WITHOUT_ISOLATION = (
    "secret_in_home",
    "password_file",
    "project",
    "parents_environment_in_proc",
    "kernel_in_sys",
    "fork",
    "posix_spawn",
    "shell",
    "tcp",
    "udp",
    "local_socket",
    "memory_file",
    "many_large_files",
)

ATTACKS = {
    # What is not for its eyes.
    "environment": "import os; os.environ['RLSWEEP_TEST_SECRET']",
    "secret_in_home": "open('HOME/.secret').read()",
    "secret_by_symlink": "import os; os.symlink('HOME/.secret', 'link'); open('link').read()",
    "secret_by_relative_path": "open('../../../../../../HOME/.secret').read()",
    "secret_by_hard_link": "import os; os.link('HOME/.secret', 'link')",
    "password_file": "open('/etc/passwd').read()",
    "project": "open('PROJECT/pyproject.toml').read()",
    "installed_packages": "import sys; sys.path.append('PROJECT/.venv/lib/python3.11/site-packages'); import yaml",
    "project_modules": "import workers.trial",
    "own_environment_in_proc": "open('/proc/self/environ').read()",
    "parents_environment_in_proc": "open('/proc/PARENT/environ').read()",
    "parents_memory_in_proc": "open('/proc/PARENT/mem', 'rb').read(1)",
    "maps_in_proc": "open('/proc/self/maps').read()",
    "kernel_in_sys": "import os; os.listdir('/sys/kernel')",
    "file_handles": "import ctypes; assert ctypes.CDLL(None).syscall(304, -100, None, 0) != -1",
    # Writing outside.
    "write_to_root": "open('/MARKER', 'w').close()",
    "write_to_home": "open('HOME/MARKER', 'w').close()",
    "write_to_project": "open('PROJECT/MARKER', 'w').close()",
    "write_to_shared_memory": "open('/dev/shm/MARKER', 'w').close()",
    "write_to_devices": "open('/dev/MARKER', 'w').close()",
    "write_to_var_tmp": "open('/var/tmp/MARKER', 'w').close()",
    "write_to_standard_library": "import os; open(os.path.dirname(os.__file__) + '/MARKER.py', 'w').close()",
    "write_to_interpreter": "import sys; open(sys.executable, 'r+b').close()",
    "change_mode_of_a_device": "import os; os.chmod('/dev/null', 0o600)",
    "make_a_disk": "import os; os.mknod('disk', 0o60600, os.makedev(8, 0)); open('disk', 'rb').read(1)",
    # Other processes.
    "fork": "import os; os.fork() or os._exit(0)",
    "forkpty": "import os; os.forkpty()",
    "posix_spawn": "import os, sys; os.posix_spawn(sys.executable, [sys.executable, '-c', ''], {})",
    "subprocess": "import subprocess; subprocess.run(['/python/bin/python3', '-c', ''], check=True)",
    "multiprocessing": "import multiprocessing as m; p = m.Process(target=print); p.start(); p.join()",
    "shell": "import os; assert os.system('echo') == 0",
    "signal_to_the_parent": "import os; os.kill(PARENT, 9)",
    "trace_init": "import ctypes; assert ctypes.CDLL(None).ptrace(16, 1, None, None) == 0",
    "read_memory_of_init": "import ctypes; assert ctypes.CDLL(None).syscall(310, 1, None, 0, None, 0, 0) != -1",
    "watch_another_process": "import os; os.pidfd_open(1)",
    "raise_priority": "import os; os.setpriority(os.PRIO_PROCESS, 0, -10)",
    # The network.
    "tcp": "import socket; socket.create_connection(('127.0.0.1', PORT), 1)",
    "udp": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "names": "import socket; socket.getaddrinfo('localhost', PORT)",
    "web": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:PORT', timeout=1)",
    "raw_packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "local_socket": "import socket; socket.socket(socket.AF_UNIX).bind('\\0MARKER')",
    # The limits and the walls.
    "raise_memory_limit": "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))",
    "raise_time_limit": "import resource as r; r.setrlimit(r.RLIMIT_CPU, (10000, 10000))",
    "limits_of_the_parent": "import resource as r; r.prlimit(PARENT, r.RLIMIT_NOFILE, (8, 8))",
    "ten_gigabytes": "bytearray(10**10)",
    "ten_gigabytes_mapped": "import mmap; mmap.mmap(-1, 10**10)",
    "memory_file": "import os; os.memfd_create('x')",
    "shared_memory_segment": "import ctypes; assert ctypes.CDLL(None).shmget(0, 4096, 0o1666) != -1",
    "large_file": "open('large', 'wb').write(bytes(10**8))",
    "many_large_files": "[open(f'large{n}', 'wb').write(bytes(10**7)) for n in range(10)]",
    "many_open_files": "files = [open('x', 'w') for _ in range(1000)]",
    "many_threads": "import threading as t; [t.Thread(target=t.Event().wait, args=(9,)).start() for _ in range(500)]",
    "become_root": "import os; os.setresuid(0, 0, 0); assert os.stat('/').st_uid != 0",
    "user_namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "mount": "import ctypes; assert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "new_root": "import os; os.chroot('.')",
    "host_name": "import socket; socket.sethostname('MARKER')",
    "clock": "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
    "keyring": "import ctypes; assert ctypes.CDLL(None).syscall(250, 0, -3, 1) != -1",
    "io_uring": "import ctypes; assert ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)) != -1",
    "bpf": "import ctypes; assert ctypes.CDLL(None).syscall(321, 0, ctypes.create_string_buffer(64), 64) != -1",
}

# They would go on for ever, or until the machine gives in.
ENDLESS = {
    "loop": "while True: pass",
    "loop_that_ignores_signals": """
        import signal
        for number in set(range(1, 65)) - {9, 19, 32, 33}: signal.signal(number, signal.SIG_IGN)
        while True: pass""",
    "sleep": "import time; time.sleep(10**6)",
    "output": "while True: print('x' * 10000)",
    "output_to_standard_error": "import os\nwhile True: os.write(2, b'x' * 10000)",
    "loop_with_its_streams_closed": "import os\nos.close(1); os.close(2)\nwhile True: pass",
    "fork_bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "memory": "grown = []\nwhile True: grown.append(bytearray(2**20))",
    "memory_caught": """
        grown = []
        while True:
            try: grown.append(bytearray(2**20))
            except MemoryError: pass""",
    "empty_files": "n = 0\nwhile True: n += 1; open(f'empty{n}', 'w').close()",
    "recursion": "g = lambda: g()\nwhile True:\n    try: g()\n    except RecursionError: pass",
    "backtracking": "import re; re.match('(a+)+b', 'a' * 50)",
    "long_arithmetic": "10 ** 10 ** 10",
    "threads": """
        import threading
        def work():
            while True: pass
        while True:
            try: threading.Thread(target=work).start()
            except RuntimeError: pass""",
    "exception_swallowed": "while True:\n    try: raise SystemExit\n    except BaseException: pass",
}

FORGERIES = {
    "exit": "import sys; sys.exit(0)",
    "hard_exit": "import os; os._exit(0)",
    "exit_in_the_call": "def f(x): raise SystemExit(0)",
    "hard_exit_in_the_call": "import os\ndef f(x): os._exit(0)",
    "exit_by_quit": "quit()",
    "kill_itself": "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGKILL)",
    "kill_all_it_can": "import os\ndef f(x): os.kill(-1, 9)",
    "kill_the_parent": "import os\ndef f(x): os.kill(os.getppid(), 9)",
    "crash": "import ctypes\ndef f(x): ctypes.string_at(0)",
    "become_another_program": "import os\nos.execv('/python/bin/python3', ['python3', '-c', 'print(4)'])",
    "equal_to_all": "class E:\n    def __eq__(self, other): return True\ndef f(x): return E()",
    "text_equal_to_all": "class E(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\ndef f(x): return E('no')",
    "number_equal_to_all": "class E(int):\n    def __eq__(self, other): return True\ndef f(x): return E(7)",
    "list_equal_to_all": "class E(list):\n    def __eq__(self, other): return True\ndef f(x): return E([7])",
    "dict_equal_to_all": "class E(dict):\n    def __eq__(self, other): return True\ndef f(x): return E(a=7)",
    "class_equal_to_all": "class M(type):\n    def __eq__(self, other): return True\nclass E(metaclass=M): pass\ndef f(x): return E",
    "mock_equal_to_all": "from unittest.mock import ANY\ndef f(x): return ANY",
    "equal_inside_a_list": "class E(int):\n    def __eq__(self, other): return True\ndef f(x): return [E(7)]",
    "lying_type": "class E:\n    __class__ = int\n    def __eq__(self, other): return True\ndef f(x): return E()",
    "not_a_number": "def f(x): return float('nan')",
    "a_function": "def f(x): return lambda: x",
    "nothing_defined": "pass",
    "no_python": "def f(x: return",
    "zero_bytes": "def f(x): return '\\0'\n\0",
    "shadowed_builtins": "import builtins\nbuiltins.AssertionError = builtins.print = builtins.len = None\ndef f(x): return None",
    "patched_equality": "import operator, builtins\noperator.eq = lambda a, b: True\nbuiltins.all = lambda x: True\ndef f(x): return None",
    "patched_assertions": "import builtins\nclass A(BaseException): pass\nbuiltins.AssertionError = A\ndef f(x): raise A",
    "assertion_of_its_own": "def f(x): raise AssertionError",
    "generator_exit": "def f(x): raise GeneratorExit",
    "keyboard": "def f(x): raise KeyboardInterrupt",
    "hooks": "import sys, atexit, os\nsys.excepthook = sys.unraisablehook = lambda *a: os._exit(0)\natexit.register(os._exit, 0)\ndef f(x): 1 / 0",
    "tracing": "import sys\nsys.settrace(lambda *a: sys.exit(0))\nsys.setprofile(lambda *a: None)\ndef f(x): return 0",
    "printed_verdict": "import os\nfor n in range(256):\n    try: os.write(n, b'passed')\n    except OSError: pass\ndef f(x): return None",
    "encoded_verdict": """
        import os, sys
        values = sys.modules['workers.sandbox.inside.values']
        for n in range(256):
            try: os.write(n, values.encode(('passed', '', '0' * 64)))
            except OSError: pass
        def f(x): return None""",
    "patched_wire": """
        import sys
        values = sys.modules['workers.sandbox.inside.values']
        solution = sys.modules['workers.sandbox.inside.solution']
        solution.send = lambda to, value, most: values.send(to, ('passed', ('', '0' * 64)), most)
        def f(x): return None""",
    "replies_in_advance": """
        import sys
        values = sys.modules['workers.sandbox.inside.values']
        for n in range(3, 64):
            for _ in range(10):
                try: values.send(n, ('returned', (4, None)), 1000)
                except OSError: pass
        def f(x): return 4""",
    "length_that_lies": "import os\nfor n in range(3, 64):\n    try: os.write(n, b'\\xff' * 64)\n    except OSError: pass\ndef f(x): return 4",
    "garbage": "import os\nfor n in range(3, 64):\n    try: os.write(n, (5).to_bytes(8, 'little') + b'l\\xff\\xff\\xff\\xff')\n    except OSError: pass\ndef f(x): return 4",
    "nonce_in_memory": """
        import gc, sys
        def f(x):
            frame = sys._getframe()
            seen = []
            while frame:
                seen += list(frame.f_locals.values()) + list(frame.f_globals.values())
                frame = frame.f_back
            texts = [o for o in seen + gc.get_objects() if isinstance(o, str) and len(o) == 64 and set(o) <= set('0123456789abcdef')]
            return x * 2 if texts else None""",
    "tests_in_memory": """
        import gc, sys
        def f(x):
            return x * 2 if any('assert f(2)' in str(o)[:10000] for o in gc.get_objects() if isinstance(o, (str, dict, tuple))
                and o is not f.__code__.co_consts and 'gc.get_objects' not in str(o)[:10000]) else None""",
    "enormous_result": "def f(x): return 'x' * 10**8",
    "endless_result": "def f(x):\n    l = []\n    l.append(l)\n    return l",
    "deep_result": "def f(x):\n    l = []\n    for _ in range(10**5): l = [l]\n    return l",
    "emptied_argument": "def f(x):\n    if isinstance(x, list): x.clear()\n    return x * 2",
    "threads_that_write_later": """
        import os, threading, time
        def late():
            while True:
                for n in range(64):
                    try: os.write(n, b'passed')
                    except OSError: pass
        threading.Thread(target=late, daemon=True).start()
        def f(x): return 4""",
}


def sources() -> dict[str, str]:
    """Every hostile solution by name."""
    attacks = {name: f"def f(x):\n    {statements}\n    return x * 2" for name, statements in ATTACKS.items()}
    endless = {
        f"endless_{name}": "def f(x):\n" + indent(dedent(statements), "    ") for name, statements in ENDLESS.items()
    }
    forgeries = {f"forged_by_{name}": dedent(source) for name, source in FORGERIES.items()}
    return attacks | endless | forgeries
