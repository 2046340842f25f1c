"""Run the command line: ``python -m vzcptcheck``."""

from vzcptcheck import start

if __name__ == "__main__":
    start()
