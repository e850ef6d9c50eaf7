"""The content store on files: folders of images, their journal, thumbnails and what is unfinished.

`<data>/images/<aa>/<guid>.<extension>`, `<data>/journal/<guid>.json`, `<data>/thumbnails`,
`<data>/quarantine`.
"""
