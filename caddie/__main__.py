"""`caddie` and `python -m caddie`: the command line; see `caddie.cli`."""

from __future__ import annotations

from caddie.cli import main

if __name__ == "__main__":
    main()
