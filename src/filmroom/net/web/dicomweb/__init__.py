"""DICOMweb (PS3.18): search (QIDO-RS), store (STOW-RS) and retrieve (WADO-RS) of studies."""
