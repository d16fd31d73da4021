"""The form that a problem asks for, such as simplified or factored, and whether an answer has it."""
