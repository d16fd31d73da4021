"""How answers of one kind are compared; each rule takes the gold answer, the answer and a Comparer."""
