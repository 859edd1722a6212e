"""The JSON API that the console and the command line use."""
