"""Child processes of a stack: what they are given, what they say, and how they are told apart and signalled."""
