"""`python -m twin_service` is the `twin` command."""

from twin_service.cli.app import main

if __name__ == "__main__":
    main()
