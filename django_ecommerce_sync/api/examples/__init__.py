"""Examples for the schema: what the demo's shop takes as it stands, and what it answers."""

from .problems import PROBLEMS
from .requests import PATHS, bodies

__all__ = ["PATHS", "PROBLEMS", "bodies"]
