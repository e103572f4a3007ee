"""The subcommands of ``manage.py ecommerce_sync``, in the order the help lists them."""

from .base import Subcommand
from .doctor import Doctor
from .feeds import Feeds
from .history import Cancel, Runs, Show
from .issues import Issues
from .merge import MergeDuplicates
from .prune import Prune
from .run import Retry, Run
from .schedule import Schedule
from .startfeed import StartFeed

SUBCOMMANDS: tuple[Subcommand, ...] = (
    Run(),
    Feeds(),
    Runs(),
    Show(),
    Issues(),
    Retry(),
    Cancel(),
    MergeDuplicates(),
    Schedule(),
    Doctor(),
    Prune(),
    StartFeed(),
)
