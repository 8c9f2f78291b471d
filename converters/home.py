"""Where things that are made once lie: environments, and compiled programs."""

import os
from pathlib import Path


def home() -> Path:
    """MEP_NEURO_HOME, or mep-neuro in the user's cache folder."""
    own = os.environ.get("MEP_NEURO_HOME")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mep-neuro"
