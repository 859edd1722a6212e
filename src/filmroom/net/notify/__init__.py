"""Telling people and programs outside."""
