"""The schema: made from the tables, reached by the migrations, older and newer than ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from planner.errors import Locked, StoreFailed
from planner.store import open_store, schema
from planner.store.tables import VERSION, metadata, version, version_metadata
from tests.store.bench import Bench
from tests.store.child import ROOT

NOW = 0.0
NEXT = f"{int(VERSION) + 1:04}"
ONE_MORE = f"""
from alembic import op
import sqlalchemy as sa

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{VERSION}", None, None


def upgrade() -> None:
    op.add_column("planner_meta", sa.Column("more", sa.Text(), nullable=False, server_default="x"))
"""


def shape(engine: Engine) -> dict[str, object]:
    """Everything that a schema says of itself."""
    found = inspect(engine)
    return {
        name: (
            [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
            found.get_pk_constraint(name),
            found.get_foreign_keys(name),
            sorted(
                (index["name"], index["column_names"], _options(index.get("dialect_options", {})))
                for index in found.get_indexes(name)
            ),
        )
        for name in sorted(found.get_table_names())
    }


def _options(found: Mapping[str, object]) -> list[tuple[str, str]]:
    return sorted((key, str(value)) for key, value in found.items())


def statements(connection: Connection) -> set[str]:
    """What SQLite keeps of a schema: it tells WITHOUT ROWID and AUTOINCREMENT too."""
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    return {row[0] + (" AUTOINCREMENT" in row[1]) * "+" + ("WITHOUT ROWID" in row[1]) * "-" for row in rows}


def newer_scripts(tmp_path: Path) -> Path:
    """Our migrations, and one more."""
    scripts = tmp_path / "scripts 100%"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text((schema.MIGRATIONS / "env.py").read_text())
    for file in (schema.MIGRATIONS / "versions").glob("r*.py"):
        (scripts / "versions" / file.name).write_text(file.read_text())
    (scripts / "versions" / f"r{NEXT}_more.py").write_text(ONE_MORE)
    return scripts


def test_migrations_lead_to_the_tables(bench: Bench, tmp_path: Path) -> None:
    made = create_engine(bench.url)
    with made.begin() as connection:
        metadata.create_all(connection)
        version_metadata.create_all(connection)
        kept = statements(connection) if bench.kind == "sqlite" else set()
    expected = shape(made)
    with made.begin() as connection:
        metadata.drop_all(connection)
        version_metadata.drop_all(connection)
    with made.begin() as connection:
        schema._upgrade(connection, schema.MIGRATIONS, "what", "where")
        differences = compare_metadata(
            MigrationContext.configure(
                connection, opts={"version_table": version.name, "compare_type": True}
            ),
            metadata,
        )
        assert differences == []
        if bench.kind == "sqlite":
            assert statements(connection) == kept
            assert "planner_step-" in kept
            assert "planner_transaction+" in kept
        assert connection.execute(text("SELECT version_num FROM planner_version")).scalars().all() == [
            VERSION
        ]
    assert shape(made) == expected
    made.dispose()


def test_a_new_store_has_our_version(bench: Bench) -> None:
    bench.open()
    engine = create_engine(bench.url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM planner_version")).scalars().all() == [
            VERSION
        ]
    engine.dispose()


@pytest.mark.parametrize("found", [NEXT, "9999", "abc", None])
def test_a_newer_planner(bench: Bench, found: str | None) -> None:
    bench.open()
    engine = create_engine(bench.url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM planner_version"))
        if found:
            connection.execute(text("INSERT INTO planner_version VALUES (:v)"), {"v": found})
    engine.dispose()
    with pytest.raises(StoreFailed, match="newer planner") as caught:
        bench.open()
    assert str(found) in caught.value.why


def test_an_older_store_is_migrated(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = bench.open()
    identity = old.knowledge("c").store
    with old.lock("c", "apply", NOW):
        become_newer(monkeypatch, newer_scripts(tmp_path))
        with pytest.raises(Locked) as caught:
            bench.open()
        assert "'c'" in caught.value.where
    with bench.open().lock("c", "apply", NOW) as lease:
        lease.prove()
    assert bench.open().knowledge("c").store == identity
    engine = create_engine(bench.url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT more FROM planner_meta")).scalars().all() == ["x"]
        assert connection.execute(text("SELECT version_num FROM planner_version")).scalars().all() == [NEXT]
    engine.dispose()


def test_a_migration_that_fails_changes_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open()
    scripts = newer_scripts(tmp_path)
    broken = scripts / "versions" / f"r{NEXT}_more.py"
    broken.write_text(broken.read_text() + '    op.execute("SELECT * FROM nowhere")\n')
    become_newer(monkeypatch, scripts)
    for _ in range(2):
        with pytest.raises(StoreFailed):
            bench.open()
    monkeypatch.undo()
    engine = create_engine(bench.url)
    assert "more" not in [column["name"] for column in inspect(engine).get_columns("planner_meta")]
    engine.dispose()
    bench.open()


def become_newer(monkeypatch: pytest.MonkeyPatch, scripts: Path) -> None:
    monkeypatch.setattr(schema, "VERSION", NEXT)
    monkeypatch.setattr("planner.store.opening.VERSION", NEXT)
    monkeypatch.setattr(schema, "MIGRATIONS", scripts)


def test_a_store_is_made_once(bench: Bench) -> None:
    """The run that was slower finds the tables when its turn comes."""
    store = bench.open()
    identity = store.knowledge("c").store
    database = store._database  # type: ignore[attr-defined]
    connection = database.own("test")
    schema.make(database, connection, lambda connection: None, "now")
    connection.close()
    assert store.knowledge("c").store == identity


def test_a_store_without_an_id(bench: Bench) -> None:
    bench.open()
    engine = create_engine(bench.url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM planner_meta"))
    engine.dispose()
    with pytest.raises(StoreFailed, match="damaged"):
        bench.open()


def test_what_is_slow_to_import_is_imported_late(tmp_path: Path) -> None:
    code = """
import sys
from planner.store import open_store
assert "sqlalchemy" not in sys.modules
open_store(sys.argv[1]).close()
assert "sqlalchemy" in sys.modules
assert "alembic" not in sys.modules
assert "psycopg" not in sys.modules
"""
    url = f"sqlite:///{tmp_path}/planner.db"
    subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=True)
    open_store(url).close()
