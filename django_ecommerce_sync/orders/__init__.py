"""What orders may become, what of them may be changed when, and the stock that goes with it."""

from .editing import check_deletable, check_editable
from .events import record_change, record_creation
from .states import STATES, allowed_transitions
from .stock import connect, hold, hold_again, take_if_gone
from .transitions import transition

__all__ = [
    "STATES",
    "allowed_transitions",
    "check_deletable",
    "check_editable",
    "connect",
    "hold",
    "hold_again",
    "record_change",
    "record_creation",
    "take_if_gone",
    "transition",
]
