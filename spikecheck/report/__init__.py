"""Shows: the report as data, and one file a view."""
