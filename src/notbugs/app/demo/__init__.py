"""The web page: what a robust model can draw, to play with. It needs the extra `page`."""
