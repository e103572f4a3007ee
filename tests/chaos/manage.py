"""Django's commands for the project under chaos, with its Celery app loaded."""

import sys

from django.core.management import execute_from_command_line
from django.core.servers.basehttp import WSGIServer

from tests.chaos import project

if __name__ == "__main__":
    project.app.set_current()
    WSGIServer.request_queue_size = 256  # a hundred at once; ten are the default
    execute_from_command_line(sys.argv)
