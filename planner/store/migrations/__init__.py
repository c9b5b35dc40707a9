"""Alembic's revisions of the store's schema, and how they are run."""
