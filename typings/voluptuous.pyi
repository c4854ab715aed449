# Home Assistant replaces voluptuous with probatio at startup.
from probatio import *  # noqa: F403
