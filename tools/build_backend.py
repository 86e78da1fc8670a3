"""How `pip` builds the package: by maturin, without the paths of the building machine (remapped_paths.py)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from typing import Any

import maturin
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from remapped_paths import flags_so_far, remapped_prefixes

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


def _without_paths(config_settings: ConfigSettings) -> ConfigSettings:
    if shutil.which("cargo") is None and not os.environ.get("MATURIN_NO_INSTALL_RUST"):
        # As maturin would, a moment later.
        from puccinialin import setup_rust

        os.environ.update(setup_rust())
    prefixes = remapped_prefixes()
    if (flags := flags_so_far()) is not None:
        os.environ["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(flags + prefixes)
        return config_settings
    # Beside what Cargo's own configuration says: the environment would displace it.
    settings = dict(config_settings or {})
    otherwise = settings.get("build-args", os.environ.get("MATURIN_PEP517_ARGS", ""))
    given = settings.get("maturin.build-args", otherwise)
    arguments = shlex.split(given) if isinstance(given, str) else list(given)
    arguments += ["--config", f"build.rustflags={json.dumps(prefixes, ensure_ascii=False)}"]
    return settings | {"maturin.build-args": arguments, "build-args": arguments}


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """A wheel."""
    return str(maturin.build_wheel(wheel_directory, _without_paths(config_settings), metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """A wheel that leads to this tree."""
    return str(maturin.build_editable(wheel_directory, _without_paths(config_settings), metadata_directory))
