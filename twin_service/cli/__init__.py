"""The `twin` command."""


def main() -> None:
    """Run the command; what it needs is imported when it runs."""
    from twin_service.cli.app import main as run

    run()
