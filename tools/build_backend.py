"""How `pip` builds the package: by maturin, without the paths of the building machine (remapped_paths.py)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import maturin
from maturin import (
    build_sdist,
    get_maturin_pep517_args,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from remapped_paths import all_flags

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ConfigSettings = Mapping[str, Any] | None


@contextmanager
def _without_paths(config_settings: ConfigSettings) -> Iterator[None]:
    if shutil.which("cargo") is None and not os.environ.get("MATURIN_NO_INSTALL_RUST"):
        # As maturin would, a moment later.
        from puccinialin import setup_rust

        os.environ.update(setup_rust())
    before = os.environ.get("CARGO_ENCODED_RUSTFLAGS")
    os.environ["CARGO_ENCODED_RUSTFLAGS"] = all_flags(get_maturin_pep517_args(config_settings))
    try:
        yield
    finally:
        del os.environ["CARGO_ENCODED_RUSTFLAGS"]
        if before is not None:
            os.environ["CARGO_ENCODED_RUSTFLAGS"] = before


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """A wheel."""
    with _without_paths(config_settings):
        return str(maturin.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """A wheel that leads to this tree."""
    with _without_paths(config_settings):
        return str(maturin.build_editable(wheel_directory, config_settings, metadata_directory))
