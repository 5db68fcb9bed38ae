"""The process of one system. Run as a folder (``python minires/bench/worker SYSTEM THREADS``): it imports NumPy and the
framework that it measures, minires only where that is minires, so that it runs under another Python too.

Each module has ``load()``, which imports the framework and returns versions by name, and ``prepare(system, facts,
arrays, threads)`` for a case as :mod:`minires.bench.subject` writes it. That returns ``(check, step, without)``:

    check()      the losses of two training steps, the logits, or the y, dx or dw of a convolution: what must agree
    step()       what is timed
    without()    None, or what step() does beside what is asked for: its time is taken off
"""
