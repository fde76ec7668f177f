"""How good answers are: truth, protocols, metrics, intervals, and what is said of them.

    truth → task → similarity → ranking → metrics → bootstrap → report, plots, page

`metrics`, `ranking`, `bootstrap` and `verification` are pure. `run.evaluate` joins all; `indexes` compares
ways to find nearest rows.
"""
