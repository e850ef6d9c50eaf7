"""PixyProxy over HTTP: routes, sign-in, request log, errors, settings, pages and command line.

pixy_service decides about images and users; this package translates to HTTP.
"""
