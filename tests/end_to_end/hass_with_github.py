"""Runs Home Assistant with a Marketplace that finds GitHub at the URL in the first argument."""

from importlib import import_module
import sys


def main() -> int:
    """Run Home Assistant with the other arguments."""
    github = sys.argv.pop(1)
    profile = import_module("homeassistant.components.marketplace.profiles").GITHUB
    places = {
        "api": f"{github}/api",
        "github": (github,),
        "raw": (f"{github}/raw",),
        "catalog": (f"{github}/catalog",),
    }
    for name, place in places.items():
        # The profile is frozen, and other modules have imported it.
        object.__setattr__(profile, name, place)
    import_module("aiogithubapi.device").BASE_GITHUB_URL = github  # type: ignore[attr-defined]
    exit_code: int = import_module("homeassistant.__main__").main()
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
