"""The loop: rounds of search, training and evaluation, in which the better model makes the next data.

config.py      the config of `berry loop`
loop.py        the rounds: what is done, in which order, and what goes on after an interruption
records.py     what a round made, as its file in the loop's folder has it
folder.py      the loop's folder
work.py        what a stage is given
commands.py    runs berry's own commands, one after the other
problems.py    the problems of a round, and those that no round trains on
difficulty.py  which problems get less of the next round
stages/        the parts of a round
report.py      the rounds as a table and as JSON
"""
