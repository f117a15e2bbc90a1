"""django-eventstream under ASGI, in one process, without a storage."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from .ticks import in_thread

settings.configure(
    SECRET_KEY="only for benchmarks",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django_eventstream"],
    MIDDLEWARE=[],
    LOGGING_CONFIG=None,
)
django.setup()

from django_eventstream import send_event  # noqa: E402 - it needs the settings


def _publish(data: str) -> None:
    send_event("ticks", "message", data, json_encode=False)


def publish(request: HttpRequest) -> HttpResponse:
    """Publishes."""
    in_thread(_publish, int(request.GET["count"]), float(request.GET["rate"]))
    return HttpResponse()


def ping(request: HttpRequest) -> HttpResponse:
    """Answers."""
    return HttpResponse("pong")


urlpatterns = [
    path("events", include("django_eventstream.urls"), {"channels": ["ticks"]}),
    path("publish", publish),
    path("ping", ping),
]
app = get_asgi_application()
