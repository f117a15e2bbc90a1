"""Flask under an ASGI server: `ASGIApp(app)`.

uvicorn, hypercorn, granian and gunicorn's `-k asgi` serve it. Streams that only wait
hold no thread there.
"""

from .serve.asgi import ASGIApp

__all__ = ["ASGIApp"]
