"""Definitions for the stores of apps, made from ``GET /api/v1/sync/schema``: nobody types them by hand."""
