"""Terraform with one resource per cell, whose local-exec provisioner runs curl.

That is how people reach an API that has no provider. ``terraform plan`` asks no node then, so a read is an
apply whose provisioners read. The resource is built into Terraform: nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clients.cells import cells

PROGRAM = shutil.which("terraform") or shutil.which("tofu") or ""
READ = "curl -sSf '{url}{group}/' | grep -qF '\"{group}\"'"
CREATE = (
    "curl -sS -o /dev/null -w '%{{http_code}}' -H 'Content-Type: application/json' "
    "-d '{{\"groupId\":\"{group}\"}}' '{url}' | grep -qx 201"
)


def command(
    folder: Path, task: str, urls: Sequence[str], count: int, parallelism: int
) -> tuple[list[str | Path], str]:
    """Write the configuration, and forget the state of the last run; return as `ansible.command` does."""
    pattern = READ if task == "read" else CREATE
    # As JSON, '%{' and '${' would be templates: doubled, they are themselves.
    runs = {
        f"{group}@{url}": pattern.format(url=url, group=group).replace("%{", "%%{")
        for url, group in cells(urls, count)
    }
    main = {
        "resource": {
            "terraform_data": {
                "cell": {
                    "for_each": runs,
                    "provisioner": [{"local-exec": {"command": "${each.value}"}}],
                }
            }
        }
    }
    (folder / "main.tf.json").write_text(json.dumps(main), encoding="utf-8")
    for old in folder.glob("terraform.tfstate*"):
        old.unlink()
    words = ["apply", "-auto-approve", "-no-color", "-input=false", f"-parallelism={parallelism}"]
    return [PROGRAM, *words], f"Resources: {count} added, 0 changed"
