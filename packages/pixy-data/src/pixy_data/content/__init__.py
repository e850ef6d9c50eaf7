"""Files on disk: images, their journal, thumbnails and what is unfinished."""
