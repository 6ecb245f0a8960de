"""Apps that nobody wrote: flows of players, feeds and transfers whose habits and paths are drawn at random.

They teach a model that habits vary; they are never evaluated on and never counted as traffic that was measured
(docs/adr/0010-drawn-apps.md).
"""
