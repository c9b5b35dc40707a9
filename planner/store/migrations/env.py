"""How alembic runs the revisions: on the connection, and in the transaction, that the store hands over.

To write a new revision, raise `VERSION` in `planner.store.tables` and add a module to `versions`;
tests/store/test_schema.py fails until both lead to the same tables.
"""

from __future__ import annotations

from alembic import context

from planner.store.tables import metadata, version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=version.name,
    transactional_ddl=False,  # the store has begun the transaction, and ends it
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
