"""What every room stands on: errors, types of arrays, checks of arguments, dtypes, and the door for writing files."""
