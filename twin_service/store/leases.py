"""Who works on what: a lease ends by itself when its holder dies, and each new holder gets a higher fencing token.

A holder that was stopped and woken finds its token outdated in the transaction in which it would write, and writes
nothing.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, insert, select, update

from twin_service.store.errors import Conflict
from twin_service.store.tables import LeaseTable

LEASES: Table = LeaseTable.__table__  # type: ignore[attr-defined]


def claim(connection: Connection, key: str, owner: str, *, now_us: int, until_us: int) -> int | None:
    """The fencing token of a lease that is free or was `owner`'s own; None while another holds it."""
    c = LEASES.c
    row = connection.execute(select(c.owner, c.fence, c.until_us).where(c.lease == key)).first()
    if row is None:
        connection.execute(insert(LEASES).values(lease=key, owner=owner, fence=1, until_us=until_us))
        return 1
    if row.owner != owner and row.until_us > now_us:
        return None
    fence = int(row.fence) + 1
    done = connection.execute(
        update(LEASES).where(c.lease == key, c.fence == row.fence).values(owner=owner, fence=fence, until_us=until_us)
    )
    if done.rowcount != 1:
        raise Conflict("another server took this lease")
    return fence


def renew(connection: Connection, key: str, fence: int, until_us: int) -> bool:
    """Hold on for longer; whether the lease still is the one of this token."""
    c = LEASES.c
    done = connection.execute(update(LEASES).where(c.lease == key, c.fence == fence).values(until_us=until_us))
    return done.rowcount == 1


def give_up(connection: Connection, key: str, fence: int) -> bool:
    """End a lease in the transaction that writes its result; False: it was another's, and nothing may be written."""
    done = connection.execute(delete(LEASES).where(LEASES.c.lease == key, LEASES.c.fence == fence))
    return done.rowcount == 1
