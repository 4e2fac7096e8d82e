"""The rules of the house, read off the source: floors, abstract or final, no prints, nothing heavy at import."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import equinox as eqx
import pytest

import sostruct

PACKAGE = Path(sostruct.__file__).parent
FLOORS = {
    "errors": 0,
    "graph": 0,
    "loops": 1,
    "numerics": 1,
    "surprise": 1,
    "tasks": 1,
    "networks": 2,
    "reports": 2,
    "growth": 3,
    "control": 4,
    "discovery": 5,
    "structure": 5,
    "clusters": 5,
    "prediction": 5,
    "meta": 6,
    "app": 7,
    "cli": 7,
}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def room(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module if node.module != "sostruct" else f"sostruct.{node.names[0].name}")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.startswith("sostruct.")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in FLOORS, f"{own} has no floor: give it one here"
    for name in imports(path):
        other = room(name)
        assert other == own or FLOORS[other] < FLOORS[own] or {own, other} in ({"app", "cli"}, {"errors", "graph"}), (
            f"{own} (floor {FLOORS[own]}) imports {name} (floor {FLOORS[other]})"
        )


@pytest.mark.parametrize("path", sorted((PACKAGE / "graph").glob("*.py")), ids=lambda path: path.name)
def test_the_graph_floor_knows_no_jax(path: Path) -> None:
    assert not re.search(r"^\s*(import|from) (jax|equinox)\b", path.read_text("utf-8"), re.MULTILINE)


def modules() -> list[str]:
    names = [info.name for info in pkgutil.walk_packages([str(PACKAGE)], "sostruct.")]
    return [name for name in names if not name.endswith("__main__")]


def equinox_classes() -> list[type]:
    found: dict[str, type] = {}
    for name in modules():
        for value in vars(importlib.import_module(name)).values():
            if inspect.isclass(value) and issubclass(value, eqx.Module) and value.__module__.startswith("sostruct."):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("cls", equinox_classes(), ids=lambda cls: cls.__qualname__)
def test_a_class_is_abstract_or_final(cls: type) -> None:
    bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("sostruct.")]
    for base in bases:
        assert base.__name__.startswith("Abstract"), f"{cls.__name__} extends {base.__name__}, which is final"
        fields = vars(base).get("__annotations__", {})
        concrete = [name for name, kind in fields.items() if not re.search("Abstract(Class)?Var", str(kind))]
        assert not concrete, f"{base.__name__} is abstract and has the fields {concrete}"
        for name, value in vars(cls).items():
            overridden = vars(base).get(name)
            if callable(overridden) and not name.startswith("_") and value is not overridden:
                abstract = getattr(overridden, "__isabstractmethod__", False)
                assert abstract, f"{cls.__name__} overrides {base.__name__}.{name}"


@pytest.mark.parametrize("name", modules())
def test_every_module_says_why_it_exists(name: str) -> None:
    module = importlib.import_module(name)
    if Path(str(module.__file__)).name != "__init__.py":
        assert module.__doc__
        assert len(module.__doc__) > 40


@pytest.mark.parametrize("name", sostruct.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    value = getattr(sostruct, name)
    if name != "__version__":
        assert inspect.getdoc(value), f"ss.{name} has no docstring"


def test_no_file_is_too_long() -> None:
    long = {str(path): lines for path in SOURCES if (lines := len(path.read_text("utf-8").splitlines())) > 500}
    assert not long
