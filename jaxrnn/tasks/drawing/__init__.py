"""Pictures that are painted glimpse by glimpse."""
