"""A local server that speaks the vendors' wire formats over a synthetic or recorded market.

Imported by nothing but its command and tests.
"""
