"""`python -m benchmarks.faults`: this benchmark alone, with options."""

from benchmarks.faults import main

main()
