"""The measured half of a model card: its tables and pictures, from one command."""
