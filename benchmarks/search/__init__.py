"""How well strategies search: label quality and yield for the tokens they cost, and their own cost."""
