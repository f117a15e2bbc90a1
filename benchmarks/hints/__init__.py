"""What the benchmark of hints is made of: the page, the link, the proxies, a visit."""
