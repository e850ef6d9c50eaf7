"""Buckets on real S3 servers."""

from s3_buckets import start_s3, use_bucket

__all__ = ["start_s3", "use_bucket"]
