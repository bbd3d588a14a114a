"""The deployment: images, compose file, unit, proxies."""
