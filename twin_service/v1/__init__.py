"""Generated from proto/twin_service/v1 by proto/generate.py; never edited."""
