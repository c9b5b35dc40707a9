"""Whether a path lies on a network file system, where SQLite's and our own locks cannot be trusted.

https://www.sqlite.org/faq.html#q5, https://www.sqlite.org/wal.html ("does not work over a network").
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = frozenset(
    {
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs", "gfs2", "glusterfs", "gpfs",
        "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3",
        "smbfs", "vboxsf",
    }
)  # fmt: skip
LOCAL_FUSE = frozenset(
    {"fuse.fuse-overlayfs", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.bindfs", "fuse.lxcfs"}
)
"""Every other `fuse.…` is taken for a network file system: sshfs, s3fs, glusterfs, rclone, gcsfuse …"""

TYPE_AFTER = " - "
MOUNT_POINT = 4  # the field's index in a line of mountinfo, see proc(5)


def network_type(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the network file system that holds `path`; empty for a local one.

    Where the platform does not tell (no mountinfo), the answer is empty: the file is allowed.

    Args:
        path: absolute and without symbolic links.
        mounts: the table of mounts.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, found = -1, ""
    for line in lines:
        left, separator, right = line.partition(TYPE_AFTER)
        fields = left.split()
        if not separator or not right or len(fields) <= MOUNT_POINT:
            continue
        point = Path(_unescaped(fields[MOUNT_POINT]))
        depth = len(point.parts)
        # A later line covers an earlier one of the same mount point.
        if depth >= best and path.is_relative_to(point):
            best, found = depth, right.split()[0]
    return found if _is_network(found) else ""


def _is_network(kind: str) -> bool:
    return kind in NETWORK or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def _unescaped(field: str) -> str:
    """Blanks and backslashes are octal in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
