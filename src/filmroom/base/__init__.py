"""Ids, time, errors, facts and limits: what every other band may use."""
