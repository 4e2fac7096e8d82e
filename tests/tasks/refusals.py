"""How a refusal reads: what cannot be done, why, and what to try, in the user's own names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sostruct.errors import SostructError

_FORM = re.compile(r"Cannot .+\. This is because .+\. Try .+[.)]", re.DOTALL)


@contextmanager
def refused(kind: type[SostructError], *words: str) -> Iterator[None]:
    """The block raises exactly this kind of error; its message has the form and says all of these words."""
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    assert type(caught.value) is kind
    assert _FORM.fullmatch(message), message
    for word in words:
        assert word in message, (word, message)
