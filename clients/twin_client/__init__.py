"""The Python client of the twin service: events in, forecasts, what-ifs and recommendations out."""

from twin_client.client import TwinClient
from twin_client.errors import ClientError, FieldFault
from twin_client.events import (
    correction,
    covariate,
    dialysis,
    dose,
    genotype,
    hours,
    image,
    lab,
    mg,
    quantity,
    retraction,
)

__all__ = [
    "ClientError",
    "FieldFault",
    "TwinClient",
    "correction",
    "covariate",
    "dialysis",
    "dose",
    "genotype",
    "hours",
    "image",
    "lab",
    "mg",
    "quantity",
    "retraction",
]
