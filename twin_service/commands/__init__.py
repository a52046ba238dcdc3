"""The commands of `twin`, by subject."""
