"""The inverted index of prompts, and the queries of lists and searches."""
