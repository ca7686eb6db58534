"""`rlsweep metrics`: an endpoint that Prometheus scrapes."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.options import DatabaseOption

NAME = "metrics"

SweepsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="SWEEP...", help="Names of sweeps; those that go on if left out.")
]
HostOption = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")]
PortOption = Annotated[int, typer.Option("--port", metavar="NUMBER", min=0, max=65535, help="Port; 0 for a free one.")]


def command(
    sweeps: SweepsArgument = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 9464,
    database: DatabaseOption = None,
) -> None:
    """Serve the state of sweeps to Prometheus, until Ctrl-C."""
    from prometheus_client import CollectorRegistry, start_http_server

    from db.database import open_database, resolve_url
    from db.errors import EnvironmentProblem
    from db.reader import Reader
    from orchestrator.metrics import SweepMetrics

    engine = open_database(resolve_url(database), create=False)
    for name in sweeps or ():
        Reader(engine).sweep(name)  # or says which there are
    registry = CollectorRegistry()
    registry.register(SweepMetrics(engine, sweeps or ()))
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise EnvironmentProblem(
            f"Cannot listen on {host}:{port} ({error.strerror}); choose another --port."
        ) from error
    typer.echo(f"http://{host}:{server.server_port}/metrics")
    try:
        thread.join()
    except KeyboardInterrupt:
        server.shutdown()
