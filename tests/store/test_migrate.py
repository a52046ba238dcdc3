"""Migrations go up and down and end in the schema the tables describe; another schema is refused."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from twin_service.outcome import Refusal
from twin_service.settings import Settings
from twin_service.store.connect import parse_url, writer_engine
from twin_service.store.migrate import migrate, migrate_url
from twin_service.store.tables import METADATA
from twin_service.store.unit_of_work import Store


def test_up_is_what_the_tables_say_and_down_is_empty(url: str) -> None:
    assert migrate_url(url) == "schema 0003, was empty"
    assert migrate_url(url) == "schema 0003"
    engine = writer_engine(parse_url(url))
    with engine.connect() as connection:
        ours = {t for t in METADATA.tables}
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda n, kind, _: n in ours if kind == "table" else True}
        )
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
    assert migrate_url(url, "base") == "schema empty, was 0003"
    assert migrate_url(url) == "schema 0003, was empty"


def test_a_database_without_schema_is_refused(settings: Settings) -> None:
    with pytest.raises(Refusal, match="twin migrate"):
        Store(settings)
    migrate(settings)
    Store(settings).close()


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense", "postgresql+asyncpg://x/y"]
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(Refusal, match="database URL"):
        parse_url(url)
