"""`make bench`: planner beside other clients of the same API, in one run, as whole processes.

::

    __main__.py   the arguments: which sections, how many rounds, how large
    nodes.py      the nodes: a server that answers as fast as Python can;  cluster.py: starts and stops it
    measure.py    one run of one process: wall and CPU time, peak memory
    bench.py      rounds that alternate between contenders, with one line of progress per measurement
    clients/      who is measured: programs, and what writes the files and commands of other tools
    sections/     what is measured: plan, apply, growth, start, journal, executors
    machine.py    where it was measured, and with which versions
    stats.py      medians, ratios of paired rounds, the exponent of a growth
    goals.py      the goals, and the numbers that decide them
    page.py       results.json -> docs/benchmarks.md;  tables.py: its tables;  plot.py: its picture

`results.json` holds every single measurement; the page and the picture are made from it and from `notes.md`
alone, so that what they say can be checked. Nothing here is part of the product.
"""
