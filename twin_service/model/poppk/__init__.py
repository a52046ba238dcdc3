"""Published population PK models as data: `build_poppk` turns a library file into a block."""

from twin_service.model.poppk.build import build_poppk, list_poppk

__all__ = ["build_poppk", "list_poppk"]
