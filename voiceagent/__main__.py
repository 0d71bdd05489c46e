"""`python -m voiceagent`."""

from voiceagent.cli.commands import main

if __name__ == "__main__":
    main()
