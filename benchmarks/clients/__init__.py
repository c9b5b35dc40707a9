"""Who is measured: each reads, or creates, the same cells through the same API.

::

    cells.py          which cells, and how a client of ours is told and checked
    aiohttp_loop.py   a bare aiohttp loop: a program
    requests_loop.py  a bare requests loop: a program
    ansible.py        Ansible's uri module in a loop: a playbook
    terraform.py      Terraform with local-exec and curl: a configuration
    planner.py        planner itself: its groups.yaml, home and store
    launch.py         planner in a process that times its journal, or does without it
    seed.py           a store that knows every cell of a file, made without a node
"""
