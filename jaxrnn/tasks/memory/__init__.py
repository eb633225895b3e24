"""Small made tasks that ask for memory."""
