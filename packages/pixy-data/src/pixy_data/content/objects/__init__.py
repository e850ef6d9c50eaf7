"""The content store on objects: a bucket of S3 or what is like it (docs/decisions/0020)."""
