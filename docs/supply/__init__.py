"""What planner is built from: read from poetry.lock, judged, and told to others.

::

    lock.py         poetry.lock as a graph: what planner runs on, with which extras, and the hashes
    licences.py     the licence of each of them, and which licences are let in: docs/reference/licences.md
    sbom.py         all of it as a software bill of materials (CycloneDX)

It is no part of what is installed. ``.ci/requirements.py`` reads the same lock for pip, before anything is
there.
"""
