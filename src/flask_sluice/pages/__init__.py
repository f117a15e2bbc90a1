"""A page's slots: values that are on their way, and the feed that brings them."""
