"""The gate over infra/azure: `python -m tests.bicep`, which `make check` runs.

No package contains the Bicep compiler, so this makes its most important checks: that the files
parse, that every name is declared and used (names.py), and that every resource matches Azure's own
type definitions (typecheck.py).
"""
