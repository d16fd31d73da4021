"""Arguments for bubblewrap: namespaces in which a zygote sees only the system and the interpreter."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.records import SandboxUnavailable

SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
FIRST_USER_ID, USER_IDS = 20_000, 40_000


def bubblewrap(folders: Sequence[str]) -> list[str]:
    """The start of a command that runs its remainder inside the namespaces, with `folders` readable.

    Raises SandboxUnavailable if bubblewrap is not installed.
    """
    arguments = [_find_bubblewrap(), "--die-with-parent", "--new-session"]
    arguments += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if is_root():
        capabilities = ["SYS_ADMIN", "SETUID", "SETGID", "KILL"]
    else:
        arguments += ["--unshare-user", "--uid", "0", "--gid", "0"]
        capabilities = ["SYS_ADMIN"]
    for capability in capabilities:
        arguments += ["--cap-add", f"CAP_{capability}"]
    for folder in SYSTEM_FOLDERS:
        if Path(folder).is_symlink():
            arguments += ["--symlink", str(Path(folder).readlink()), folder]
        else:
            arguments += ["--ro-bind-try", folder, folder]
    for path in (*SYSTEM_FILES, *folders):
        for parent in [*reversed(Path(path).parents)][1:]:
            # Folders that bubblewrap creates implicitly are accessible only to their owner.
            arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind-try", path, path]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp"]
    arguments += ["--dir", scratch_folder(folders)]
    arguments += ["--remount-ro", "/", "--chdir", "/", "--"]
    return arguments


def python_folders() -> list[str]:
    """Folders of this interpreter and its packages, apart from the system's folders."""
    folders = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    return sorted(folder for folder in folders if not folder.startswith("/usr"))


def is_root() -> bool:
    """Whether this process may become other users; root of a user namespace has only itself."""
    if os.geteuid() != 0:
        return False
    last = FIRST_USER_ID + USER_IDS - 1
    ranges = [map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= FIRST_USER_ID and last < first + count for first, _, count in ranges)


def scratch_folder(folders: Sequence[str]) -> str:
    """Mount point of the working folder; never above an interpreter that is in /tmp."""
    hidden = any(folder.startswith("/tmp/") for folder in folders)
    return "/scratch" if hidden else "/tmp"


def _find_bubblewrap() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable("bubblewrap is not installed: apt-get install bubblewrap")
    return found
