"""What several applications share: layers around the recurrence, words, pictures, data that ships."""
