"""A second, plain program for the rules of flows, windows and features.

It is written from the definitions (docs/explanation/flows-and-windows.md, the feature table and the comments
of the public headers) and never from the C++ that it checks: clear and slow, exact integers, Python doubles,
the standard library only. Where a definition leaves room, a comment "Reading: …" says what was taken.
"""
