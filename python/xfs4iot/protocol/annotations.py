"""The types behind annotations that are text, as `from __future__ import annotations` leaves them.

The generated message modules name one another in their annotations and import one another only
when such a name is first needed, so that a service loads the messages of its own interfaces.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, get_origin

__all__ = ["annotation_of", "evaluated", "field_annotations", "own_module"]

_PACKAGE = "xfs4iot.protocol.messages"


def evaluated(annotation: Any, module: str) -> Any:
    """The type that an annotation of this module means.

    Raises:
        NameError: it names something that the module does not know.
    """
    namespace = vars(import_module(module))
    # A quoted annotation is text within text under the future import, hence a loop.
    while isinstance(annotation, str):
        try:
            # Code of an installed module; nothing that a client sent ever gets here.
            annotation = eval(annotation, namespace)
        except NameError as missing:
            used = (missing.name or "").removeprefix("_")
            # Imported already and missing all the same: raise, or this would loop for ever.
            if used not in namespace.get("_USES", ()) or f"_{used}" in namespace:
                raise
            namespace[f"_{used}"] = import_module(f"{_PACKAGE}.{used}")
    return annotation


def annotation_of(kind: type[Any], name: str) -> tuple[Any, str] | None:
    """The annotation of an attribute of a class's objects, and the module in which it stands."""
    for base in kind.__mro__:
        annotation = _annotations(base).get(name)
        if annotation is not None and not _is_of_the_class(annotation):
            return annotation, base.__module__
    return None


def field_annotations(kind: type[Any]) -> Mapping[str, tuple[Any, str]]:
    """The annotations of a class and of those it derives from, by attribute, each with its module."""
    return {
        name: (annotation, base.__module__)
        for base in reversed(kind.__mro__)
        for name, annotation in _annotations(base).items()
        if not _is_of_the_class(annotation)
    }


def _annotations(base: type[Any]) -> Mapping[str, Any]:
    """Those that stand in a class itself."""
    own: Mapping[str, Any] | None = vars(base).get("__annotations__")
    # `inspect` copies them; from Python 3.14 on only it knows those that are not text.
    return inspect.get_annotations(base) if own is None else own


def _is_of_the_class(annotation: Any) -> bool:
    """Whether an annotation says that the attribute is the class's, not its objects'."""
    if isinstance(annotation, str):
        # By its text alone: to evaluate it would import message modules that nobody needs yet.
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def own_module(kind: type[Any]) -> bool:
    """Whether a class is one of this package, not a vendor's."""
    return kind.__module__.partition(".")[0] == "xfs4iot"
