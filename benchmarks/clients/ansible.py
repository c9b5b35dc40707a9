"""Ansible's uri module in a loop over the cells, on the machine where Ansible runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clients.cells import cells

PROGRAM = Path(sys.executable).with_name("ansible-playbook")


def command(folder: Path, task: str, urls: Sequence[str], count: int) -> tuple[list[str | Path], str]:
    """Write the playbook that reads or creates the cells; return its command, and what that says at its end.

    Each cell's own status and id are checked by the task: the play fails with the first that is wrong.
    """
    items = [{"url": url, "group": group} for url, group in cells(urls, count)]
    uri = (
        {"url": "{{ item.url }}{{ item.group }}/", "status_code": 200}
        if task == "read"
        else {
            "url": "{{ item.url }}",
            "method": "POST",
            "body_format": "json",
            "body": {"groupId": "{{ item.group }}"},
            "status_code": 201,
        }
    )
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"cells": items, "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [
            {
                "name": task,
                "ansible.builtin.uri": uri,
                "loop": "{{ cells }}",
                "register": "answer",
                "failed_when": f"answer.status != {uri['status_code']} or answer.json.groupId != item.group",
            },
            {
                "name": "count",
                "ansible.builtin.debug": {"msg": "answered: {{ answer.results | length }}"},
            },
        ],
    }
    (folder / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    return [PROGRAM, "-i", "localhost,", "play.json"], f"answered: {count}"
