"""Runs a program against `assert` statements so that the program cannot forge their outcome."""
