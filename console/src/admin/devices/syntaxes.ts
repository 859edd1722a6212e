const DICOM = "1.2.840.10008.1.2";

/** Transfer syntaxes by UID; those that are met come first. */
export const SYNTAXES: readonly (readonly [string, string])[] = [
  [DICOM, "Implicit VR Little Endian"],
  [`${DICOM}.1`, "Explicit VR Little Endian"],
  [`${DICOM}.1.99`, "Deflated Explicit VR Little Endian"],
  [`${DICOM}.2`, "Explicit VR Big Endian"],
  [`${DICOM}.4.50`, "JPEG Baseline (lossy)"],
  [`${DICOM}.4.51`, "JPEG Extended (lossy)"],
  [`${DICOM}.4.57`, "JPEG Lossless, Process 14"],
  [`${DICOM}.4.70`, "JPEG Lossless SV1"],
  [`${DICOM}.4.80`, "JPEG-LS Lossless"],
  [`${DICOM}.4.81`, "JPEG-LS Near-Lossless"],
  [`${DICOM}.4.90`, "JPEG 2000 Lossless"],
  [`${DICOM}.4.91`, "JPEG 2000 (lossy)"],
  [`${DICOM}.4.201`, "HTJ2K Lossless"],
  [`${DICOM}.4.202`, "HTJ2K Lossless RPCL"],
  [`${DICOM}.4.203`, "HTJ2K (lossy)"],
  [`${DICOM}.4.110`, "JPEG XL Lossless"],
  [`${DICOM}.5`, "RLE Lossless"],
  [`${DICOM}.4.100`, "MPEG2 Main Profile"],
  [`${DICOM}.4.102`, "MPEG-4 H.264 High 4.1"],
  [`${DICOM}.4.107`, "HEVC H.265 Main 5.1"],
];

const NAMES = new Map(SYNTAXES);

export const syntaxName = (uid: string) => NAMES.get(uid) ?? uid;

const CLASSES = new Map([
  ["1.2.840.10008.1.1", "Verification"],
  ["1.2.840.10008.1.20.1", "Storage Commitment Push"],
  ["1.2.840.10008.3.1.2.3.3", "Modality Performed Procedure Step"],
  ["1.2.840.10008.5.1.4.31", "Modality Worklist FIND"],
  ["1.2.840.10008.5.1.4.1.2.1.1", "Patient Root FIND"],
  ["1.2.840.10008.5.1.4.1.2.1.2", "Patient Root MOVE"],
  ["1.2.840.10008.5.1.4.1.2.1.3", "Patient Root GET"],
  ["1.2.840.10008.5.1.4.1.2.2.1", "Study Root FIND"],
  ["1.2.840.10008.5.1.4.1.2.2.2", "Study Root MOVE"],
  ["1.2.840.10008.5.1.4.1.2.2.3", "Study Root GET"],
  ["1.2.840.10008.5.1.4.1.1.1", "CR Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray (presentation)"],
  ["1.2.840.10008.5.1.4.1.1.1.1.1", "Digital X-Ray (processing)"],
  ["1.2.840.10008.5.1.4.1.1.1.2", "Mammography (presentation)"],
  ["1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.2.1", "Enhanced CT Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.4", "MR Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.4.1", "Enhanced MR Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.6.1", "Ultrasound Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.3.1", "Ultrasound Multi-frame Storage"],
  ["1.2.840.10008.5.1.4.1.1.7", "Secondary Capture Storage"],
  ["1.2.840.10008.5.1.4.1.1.12.1", "X-Ray Angiographic Storage"],
  ["1.2.840.10008.5.1.4.1.1.12.2", "X-Ray RF Storage"],
  ["1.2.840.10008.5.1.4.1.1.20", "NM Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.128", "PET Image Storage"],
  ["1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR"],
  ["1.2.840.10008.5.1.4.1.1.88.22", "Enhanced SR"],
  ["1.2.840.10008.5.1.4.1.1.88.33", "Comprehensive SR"],
  ["1.2.840.10008.5.1.4.1.1.88.67", "X-Ray Radiation Dose SR"],
  ["1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection"],
  ["1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Presentation State"],
  ["1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF"],
]);

/** A SOP class as people call it; what is not met often by its UID. */
export const className = (uid: string) => CLASSES.get(uid) ?? uid;
