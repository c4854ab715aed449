"""OpenVox UC (API v0.0.1) and Yeastar S-Series, K2 and Cloud PBX (API v1.1.0)."""
