"""The parts of HTTP that DICOMweb leans on (PS3.18 chapter 8): media types, negotiation, multipart/related."""
