"""What the user names, read for everybody: files, folders, archives and standard input."""
