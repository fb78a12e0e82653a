"""`make pictures`: takes the pictures of the papers again, of the real service on servers that it starts itself."""
