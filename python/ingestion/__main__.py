"""`python -m ingestion`: the same as the installed command `tcp-ingestion`."""

from ingestion.cli import enter

if __name__ == "__main__":
    enter()
