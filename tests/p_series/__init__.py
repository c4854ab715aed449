"""Home Assistant with a simulated Yeastar P-Series."""
