"""Rules for comparing answers, by kind. Each takes the gold answer, the answer and a Comparer."""
