"""What hassfest would complain of, which needs a checkout of core and runs on GitHub only.

One subject to a module: its `check` takes the folder of a repository and yields complaints. They
are as strict as hassfest in all that this integration has; what it does not have, they do not know.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from . import automations, dependencies, icons, manifest, quality_scale, services, translations

type Check = Callable[[Path], Iterator[str]]

CHECKS: Final[Mapping[str, Check]] = {
    module.__name__.rpartition(".")[2]: module.check
    for module in (
        automations,
        dependencies,
        icons,
        manifest,
        quality_scale,
        services,
        translations,
    )
}
