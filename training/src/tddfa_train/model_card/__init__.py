"""The measured half of a model card: its tables and images, from one command."""
