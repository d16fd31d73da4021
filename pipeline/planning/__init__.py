"""What a run will need and cost, from first principles.

    model.py         a model's parameters, cache bytes and operations, from its config.json
    known_models.py  the same for public models, by name
    hardware.py      what accelerators hold, read and compute
    roofline.py      how long a step of decoding takes, and the largest batch
    search.py        what a search asks for in tokens and verdicts, by simulating it
    plan.py          all of that together
    asked.py, report.py   what the user gives and gets

Nothing here starts a process or loads a model.
"""
