"""`python -m mep_neuro`, which is what torchrun starts."""

from mep_neuro.cli.main import main

if __name__ == "__main__":
    main()
