"""Training loops as people write them: right ones in `healthy`, and ones with one mistake each in `faulty`.

Each loop takes `watch`, which is `playground.watch` or does nothing, and returns its losses and what it trained.
"""
