"""The pure core of a session: `reduce(state, event)` gives the next state and the commands to execute.

Nothing here reads a clock, draws a random number, logs or does input or output; a test enforces it. Events carry their
time, deadlines are part of the state, ids are counters in the state. The same functions serve production, replay and
simulation.
"""
