"""The gate over infra/azure: `python -m tests.bicep`, which `make check` runs.

No Bicep compiler can be installed as a package, so this checks what one would say first: that the
files parse, that every name is declared and used (names.py), and that every resource is what
Azure's own type definitions describe (typecheck.py).
"""
