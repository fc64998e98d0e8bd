"""Gates of `make check` that are code of this project: `python -m tests.gates.NAME`.

Each prints what it did, and ends with exit code 1 and one line per fault.
"""
