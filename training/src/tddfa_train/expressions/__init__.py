"""A second network reads close-ups of eyes and mouth: expressions, and what the first one missed."""
