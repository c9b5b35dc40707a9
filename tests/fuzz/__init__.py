"""Coverage-guided fuzzing of everything that is read from outside: `make fuzz`.

::

    targets.py    one function per kind of input: bytes in, and nothing but an error of ours may come out
    __main__.py   one of them under atheris: `python -m tests.fuzz TARGET [options of libFuzzer] [folders]`
    corpus/       seeds, and every input that ever broke something, one folder per target

Without atheris the tests still run every target over its corpus.
"""
