"""Migrations go up and down and end in the schema the tables describe; another schema is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from twin_service.outcome import Refusal
from twin_service.settings import Settings
from twin_service.store.adopt import migrate
from twin_service.store.connect import parse_url, writer_engine
from twin_service.store.migrate import migrate_url
from twin_service.store.tables import METADATA
from twin_service.store.unit_of_work import Store


def test_up_is_what_the_tables_say_and_down_is_empty(url: str) -> None:
    assert migrate_url(url) == "schema 0006, was empty"
    assert migrate_url(url) == "schema 0006"
    engine = writer_engine(parse_url(url))
    with engine.connect() as connection:
        ours = {t for t in METADATA.tables}
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda n, kind, _: n in ours if kind == "table" else True}
        )
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
    assert migrate_url(url, "base") == "schema empty, was 0006"
    assert migrate_url(url) == "schema 0006, was empty"


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


def test_each_schema_is_reached_up_and_down(url: str) -> None:
    assert migrate_url(url, "0001") == "schema 0001, was empty"
    assert migrate_url(url, "0006") == "schema 0006, was 0001"
    assert migrate_url(url, "0002") == "schema 0002, was 0006"
    assert migrate_url(url) == "schema 0006, was 0002"


def test_a_schema_of_the_future_is_refused_politely(url: str) -> None:
    migrate_url(url)
    engine = writer_engine(parse_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(Refusal, match="later than this version"):
        migrate_url(url)


def test_several_servers_that_start_at_once_migrate_one_after_the_other(url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("one process an SQLite file")
    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(migrate_url, [url] * 4))
    assert said == ["schema 0006", "schema 0006", "schema 0006", "schema 0006, was empty"]


def test_a_database_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(Refusal, match="cannot be opened") as caught:
        migrate_url("postgresql+psycopg://someone:secret@127.0.0.1:1/none")
    assert "secret" not in caught.value.message
