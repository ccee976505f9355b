"""Checks of the machine a call is to be made on."""
