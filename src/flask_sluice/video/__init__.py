"""Cameras: one capture each, however many watch."""

from .camera import Camera
from .stats import CameraStats

__all__ = ["Camera", "CameraStats"]
