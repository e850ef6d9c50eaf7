"""Backing up and restoring a deployment."""
