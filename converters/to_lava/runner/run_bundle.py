"""Run this bundle as Lava processes: python run_bundle.py BUNDLE --inputs in.npz --out out.npz.

Needs numpy and lava-nc 0.10.0 only (Python 3.10 or 3.11); README.txt says how to install them. Nothing of the
folder is imported before its bytes are checked, but this file and the one that checks.
"""

import sys
from pathlib import Path

from bundle_file import DamagedBundleError, load_bundle


def main() -> int:
    """Check the folder that this file lies in, then do what the command line asks."""
    try:
        load_bundle(Path(__file__).resolve().parent)
    except DamagedBundleError as error:
        print(error, file=sys.stderr)
        return 2
    from bundle_commands import run

    return int(run())


if __name__ == "__main__":
    sys.exit(main())
