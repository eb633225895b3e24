"""A simulator of short stories and questions about them: the twenty kinds of question of the bAbI tasks, told anew."""
