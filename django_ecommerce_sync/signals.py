"""Signals for host projects. Bulk writes send no ``post_save``; these are the public hook.

All are sent after the commit they speak of, never in a dry run, with ``sender`` the model
(``batch_synced``) or ``SyncRun`` (the others).
"""

from django.dispatch import Signal

#: A run has begun. Arguments: ``run``.
sync_started = Signal()
#: A batch was committed. Arguments: ``run``, ``stream`` (name), ``created`` (list of primary
#: keys), ``updated`` (dict of primary key to the tuple of field names that changed).
batch_synced = Signal()
#: A run has ended, in whatever state. Arguments: ``run``.
sync_finished = Signal()
