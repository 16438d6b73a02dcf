"""The log of a run: one line of JSON per event, written while it trains and readable whatever ends it."""
