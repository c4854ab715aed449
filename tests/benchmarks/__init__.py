"""How fast it is, beside what an owner of such a PBX would write without it.

The yardstick is Home Assistant's own `rest` integration: one request per poll, and one sensor
per extension with the count as its state and the latest caller in its attributes.
"""
