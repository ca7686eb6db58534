"""`python -m benchmarks`: every benchmark, one after the other."""

from __future__ import annotations

from benchmarks import command_line, fitting

for module in (command_line, fitting):
    print(f"\n{module.__name__.removeprefix('benchmarks.')}: {(module.__doc__ or '').splitlines()[0]}")
    module.main()
