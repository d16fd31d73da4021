"""Tables of counts that are part of `Counts`, and what follows from their rows."""
