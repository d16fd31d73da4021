"""The viewer of `berry ui`: a local web server over run folders, and the pages that it serves."""
