"""Payway, real and pretended: environments and credentials, the HTTP client, and the simulator.

Nothing is imported here, so that asking where a token would come from doesn't load an HTTP library.
"""
