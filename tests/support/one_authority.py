"""A certificate authority that has signed nothing, to trust instead of the system's.

The system's 150 authorities take 25 ms to load for each TLS context.
"""

from pathlib import Path

_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmDCCAT+gAwIBAgIUO4rIAqZoPIdS5PaYfwrwpUM7yZEwCgYIKoZIzj0EAwIw
ITEfMB0GA1UEAwwWQXV0aG9yaXR5IG9mIHRoZSB0ZXN0czAgFw0yNjExMzAxODM2
MDhaGA8yMTI2MTEwNjE4MzYwOFowITEfMB0GA1UEAwwWQXV0aG9yaXR5IG9mIHRo
ZSB0ZXN0czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDIaQEvWoJ99cXYLCgNZ
hCfypOcwuJfyi/EwDlw9XZFFs+DhEy53FPH/7WqlEVDmarQ1YrLuAQlYiJmV3VA2
0FmjUzBRMB0GA1UdDgQWBBQwgycetLbUxgu5y/jJIIChArppojAfBgNVHSMEGDAW
gBQwgycetLbUxgu5y/jJIIChArppojAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49
BAMCA0cAMEQCIFSM2AzQ+J0o8wH0DYp+UBR3Lz4e6anS48ZnKDPVXjNJAiA/EoO9
Pph1AhjceoUeYf+js/WVZTRSeyGOdLvHlkiG+g==
-----END CERTIFICATE-----
"""


def write_authority(folder: Path) -> str:
    """Write the file for SSL_CERT_FILE, and return its path."""
    path = folder / "authority.pem"
    path.write_text(_CERTIFICATE)
    return str(path)
