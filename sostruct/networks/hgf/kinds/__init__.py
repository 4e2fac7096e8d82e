"""Kinds of belief nodes: one file each, found by being here."""

from importlib import import_module
from pkgutil import iter_modules

from sostruct.networks.hgf.kinds.base import KINDS

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["KINDS"]
