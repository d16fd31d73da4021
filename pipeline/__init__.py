"""One run: from a problem set to a verified dataset."""
