"""What a process loads before it has anything to do."""

import os
import subprocess
import sys
from pathlib import Path

LOADED = """
import sys
import django
django.setup()
print(*sys.modules)
"""


def test_workers_need_no_api():
    """It is a tenth of the memory of a process that syncs."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "django_ecommerce_sync.sync.runner" in loaded
    assert "rest_framework.views" not in loaded
    assert not [name for name in loaded if name.startswith("django_ecommerce_sync.api.")]
