"""The rules of the workspace: each finds what breaks it, and fails when there is nothing left to look at."""
