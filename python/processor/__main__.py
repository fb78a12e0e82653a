"""`python -m processor`: the same as the installed command `processor`."""

from processor.cli import enter

if __name__ == "__main__":
    enter()
