"""The web door: login, DICOMweb, the viewer, a small JSON API. Translate, call one use case, translate back."""
