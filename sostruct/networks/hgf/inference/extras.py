"""Libraries of the extra `bayes`, imported where they are used: everything else works without them."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from sostruct.errors import ConfigError


def extra(name: str, what: str) -> Any:
    """A module of the extra `bayes`.

    Args:
        name: of the module.
        what: it is wanted for, as in "Cannot <what>."

    Raises:
        ConfigError: it is not installed.
    """
    with warnings.catch_warnings():
        # arviz announces its next version at its first import of a day
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ConfigError(
                f"Cannot {what}. This is because {name} is not installed. Try `pip install 'sostruct[bayes]'`."
            ) from None
