"""Five networks that people publish, written from their papers: each must attach as it is."""
