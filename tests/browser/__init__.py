"""Tests in a real browser.

A package, unlike the other folders: its fixtures end with the last test in here.
Playwright keeps an event loop in this thread, and other tests start their own.
"""
