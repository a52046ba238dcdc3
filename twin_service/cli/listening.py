"""`twin hl7 listen` at work: until SIGTERM or Ctrl-C, when the messages at hand are still acknowledged."""

from __future__ import annotations

import asyncio
import signal
import ssl

import typer

from twin_client.ehr.hl7v2.listener import Desk, Listener


def run(desk: Desk, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    """Listen until told to stop, then say what was done."""
    asyncio.run(_listen(desk, host, port, tls))
    counts = desk.counts
    done = f"{counts['AA']} taken (AA), {counts['AE']} to be sent again (AE), {counts['AR']} refused (AR)"
    typer.echo(f"{done}; {counts['events']} new events, {counts['dropped']} connections dropped")


async def _listen(desk: Desk, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    listener = Listener(desk)
    await listener.start(host, port, tls)
    typer.echo(f"listening on {host}:{listener.port}{' with TLS' if tls else ''}")
    await stop.wait()
    await listener.close()
