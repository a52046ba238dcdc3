"""Ward stories over gRPC: mess in, what must come out (`twin_service/demo/ward_stories.toml`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.live import live_client
from twin_client import TwinClient
from twin_service.demo.stories import Story, load_stories, tell

BOOK = load_stories()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinClient]:
    with live_client(tmp_path_factory.mktemp("stories")) as made:
        yield made


def test_there_are_sixty_of_them_and_no_name_twice() -> None:
    assert len(BOOK.story) >= 60 and len({s.id for s in BOOK.story}) == len(BOOK.story)


@pytest.mark.parametrize("story", BOOK.story, ids=lambda s: s.id)
def test_what_comes_out_is_what_must(client: TwinClient, story: Story) -> None:
    assert tell(client, BOOK, story).faults == ()
