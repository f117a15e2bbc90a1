"""The page of the case `pages`, built with each of the systems it compares."""
