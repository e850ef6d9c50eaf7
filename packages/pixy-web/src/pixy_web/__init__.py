"""PixyProxy over HTTP: routes, sign-in, request log, errors, settings, pages and command line.

What is decided about images and users stands in pixy_service; this floor only speaks for it.
"""
