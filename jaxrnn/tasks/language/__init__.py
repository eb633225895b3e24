"""Language models, of characters and of words."""
