"""The local web page of ``fer-live --serve``; ``app.py`` says how it fits together."""
