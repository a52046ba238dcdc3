"""Pages and pictures that people decide by: one look. A page is data (`Page`), a picture is SVG of matplotlib."""

from twin_service.report.page import Page, Picture, Section, Table, render, write_page
from twin_service.report.text import interval_text, number, percent, probability

__all__ = [
    "Page",
    "Picture",
    "Section",
    "Table",
    "interval_text",
    "number",
    "percent",
    "probability",
    "render",
    "write_page",
]
