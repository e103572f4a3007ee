"""``docs/openapi.yaml``: the schema as it is published. ``make openapi`` writes it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django

PATH = Path(__file__).resolve().parent.parent / "docs" / "openapi.yaml"
#: Whoever reads the file says where the API is; at first it is the demo.
SERVER = {
    "url": "{origin}",
    "description": "Where your project answers; the demo's address unless you say another.",
    "variables": {"origin": {"default": "http://127.0.0.1:8000"}},
}


def document() -> dict[str, Any]:
    """The schema every project serves, with what a document that stands alone needs."""
    from django_ecommerce_sync.api.schema import Schema
    from django_ecommerce_sync.api.urls import endpoints

    served = Schema(endpoints).document()
    info = {
        **served["info"],
        "contact": {"name": "The maintainers of django-ecommerce-sync"},
        "license": {"name": "MIT", "identifier": "MIT"},
    }
    first = {"openapi": served["openapi"], "info": info, "servers": [SERVER]}
    last = {key: part for key, part in served.items() if key not in first}
    return {**first, "tags": last.pop("tags"), **last}


def text() -> str:
    """The document as YAML."""
    from drf_spectacular.renderers import OpenApiYamlRenderer

    return OpenApiYamlRenderer().render(document()).decode()


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PATH.write_text(text(), encoding="utf-8")
    print(f"{PATH.name}: {len(text().splitlines())} lines")
