"""What hassfest and the HACS action would complain of, which need a checkout of core and GitHub.

In our own words, one subject to a module: its `check` takes the folder of a repository and
yields complaints. They are as strict as the official ones in all that this integration has,
and stricter where it can afford to be; what it does not have, they do not know.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from . import (
    brand,
    config_flow,
    config_schema,
    dependencies,
    hacs,
    icons,
    manifest,
    services,
    translations,
)

type Check = Callable[[Path], Iterator[str]]

CHECKS: Final[Mapping[str, Check]] = {
    module.__name__.rpartition(".")[2]: module.check
    for module in (
        brand,
        config_flow,
        config_schema,
        dependencies,
        hacs,
        icons,
        manifest,
        services,
        translations,
    )
}
