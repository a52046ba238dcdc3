"""SBML in and out: a published model in a file becomes a System, and a System becomes a file."""

from twin_service.model.sbml.build import load
from twin_service.model.sbml.export import export
from twin_service.model.sbml.record import SbmlModel
from twin_service.model.sbml.simulate import SbmlTable, simulate_sbml, write_csv

__all__ = ["SbmlModel", "SbmlTable", "export", "load", "simulate_sbml", "write_csv"]
