"""Entry point of `python -m repro`."""

from repro.cli import start

if __name__ == "__main__":
    start()
