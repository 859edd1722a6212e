import type { Attribute, Dataset } from "../api/dicomweb";
import type { PersonName } from "../kit/format";

export interface TagRow {
  tag: string;
  path: string;
  depth: number;
  vr: string;
  name: string;
  value: string;
}

/** Names of the attributes that people look for most; the others are known by their tag. */
export const TAG_NAMES: Record<string, string> = {
  "00020010": "Transfer Syntax UID", "00080005": "Specific Character Set", "00080008": "Image Type", "00080012": "Instance Creation Date", "00080013": "Instance Creation Time",
  "00080016": "SOP Class UID", "00080018": "SOP Instance UID", "00080020": "Study Date", "00080021": "Series Date", "00080022": "Acquisition Date", "00080023": "Content Date",
  "00080030": "Study Time", "00080031": "Series Time", "00080032": "Acquisition Time", "00080033": "Content Time", "00080050": "Accession Number", "00080060": "Modality",
  "00080061": "Modalities in Study", "00080064": "Conversion Type", "00080070": "Manufacturer", "00080080": "Institution Name", "00080081": "Institution Address",
  "00080090": "Referring Physician's Name", "00080100": "Code Value", "00080102": "Coding Scheme Designator", "00080104": "Code Meaning", "00080201": "Timezone Offset From UTC",
  "00081010": "Station Name", "00081030": "Study Description", "00081032": "Procedure Code Sequence", "0008103E": "Series Description", "00081040": "Institutional Department Name",
  "00081048": "Physician(s) of Record", "00081050": "Performing Physician's Name", "00081060": "Name of Physician(s) Reading Study", "00081070": "Operators' Name",
  "00081090": "Manufacturer's Model Name", "00081110": "Referenced Study Sequence", "00081111": "Referenced Performed Procedure Step Sequence", "00081115": "Referenced Series Sequence",
  "00081140": "Referenced Image Sequence", "00081150": "Referenced SOP Class UID", "00081155": "Referenced SOP Instance UID", "00082111": "Derivation Description", "00082112": "Source Image Sequence",
  "00100010": "Patient's Name", "00100020": "Patient ID", "00100021": "Issuer of Patient ID", "00100030": "Patient's Birth Date", "00100032": "Patient's Birth Time", "00100040": "Patient's Sex",
  "00101000": "Other Patient IDs", "00101001": "Other Patient Names", "00101002": "Other Patient IDs Sequence", "00101010": "Patient's Age", "00101020": "Patient's Size", "00101030": "Patient's Weight",
  "00102160": "Ethnic Group", "001021B0": "Additional Patient History", "00104000": "Patient Comments", "00180010": "Contrast/Bolus Agent", "00180015": "Body Part Examined",
  "00180020": "Scanning Sequence", "00180022": "Scan Options", "00180023": "MR Acquisition Type", "00180024": "Sequence Name", "00180050": "Slice Thickness", "00180060": "KVP",
  "00180080": "Repetition Time", "00180081": "Echo Time", "00180082": "Inversion Time", "00180087": "Magnetic Field Strength", "00180088": "Spacing Between Slices", "00181000": "Device Serial Number",
  "00181020": "Software Versions", "00181030": "Protocol Name", "00181100": "Reconstruction Diameter", "00181120": "Gantry/Detector Tilt", "00181150": "Exposure Time", "00181151": "X-Ray Tube Current",
  "00181152": "Exposure", "00181160": "Filter Type", "00181164": "Imager Pixel Spacing", "00181210": "Convolution Kernel", "00181314": "Flip Angle", "00185100": "Patient Position", "00185101": "View Position",
  "0020000D": "Study Instance UID", "0020000E": "Series Instance UID", "00200010": "Study ID", "00200011": "Series Number", "00200012": "Acquisition Number", "00200013": "Instance Number",
  "00200020": "Patient Orientation", "00200032": "Image Position (Patient)", "00200037": "Image Orientation (Patient)", "00200052": "Frame of Reference UID", "00200060": "Laterality",
  "00201040": "Position Reference Indicator", "00201041": "Slice Location", "00204000": "Image Comments", "00280002": "Samples per Pixel", "00280004": "Photometric Interpretation",
  "00280006": "Planar Configuration", "00280008": "Number of Frames", "00280010": "Rows", "00280011": "Columns", "00280030": "Pixel Spacing", "00280100": "Bits Allocated", "00280101": "Bits Stored",
  "00280102": "High Bit", "00280103": "Pixel Representation", "00281050": "Window Center", "00281051": "Window Width", "00281052": "Rescale Intercept", "00281053": "Rescale Slope",
  "00281054": "Rescale Type", "00282110": "Lossy Image Compression", "00321060": "Requested Procedure Description", "00380010": "Admission ID", "00400244": "Performed Procedure Step Start Date",
  "00400245": "Performed Procedure Step Start Time", "00400254": "Performed Procedure Step Description", "00400275": "Request Attributes Sequence", "00400555": "Acquisition Context Sequence",
  "00401001": "Requested Procedure ID", "00400007": "Scheduled Procedure Step Description", "00400009": "Scheduled Procedure Step ID", "0040A730": "Content Sequence", "0040A043": "Concept Name Code Sequence",
  "00420010": "Document Title", "00420011": "Encapsulated Document", "00540081": "Number of Slices", "7FE00010": "Pixel Data",
};

/** Every attribute as a line, items of sequences below their own. */
export function rowsOf(dataset: Dataset, bulk: string, depth = 0): TagRow[] {
  return Object.entries(dataset).flatMap(([tag, attribute]) => {
    const sequence = attribute.vr === "SQ";
    const row = { tag, path: `(${tag.slice(0, 4)},${tag.slice(4)})`, depth, vr: attribute.vr, name: TAG_NAMES[tag] ?? "", value: sequence ? "" : valueOf(attribute, bulk) };
    const below = sequence ? ((attribute.Value ?? []) as Dataset[]).flatMap((item) => rowsOf(item, bulk, depth + 1)) : [];
    return [row, ...below];
  });
}

/** The values as text; several are divided by backslashes, as DICOM writes them. */
export function valueOf(attribute: Attribute, bulk: string): string {
  if (attribute.BulkDataURI !== undefined || attribute.InlineBinary !== undefined) return bulk;
  return (attribute.Value ?? [])
    .map((value) => {
      if (value === null) return "";
      if (typeof value !== "object") return String(value);
      const name = value as PersonName;
      return [name.Alphabetic, name.Ideographic, name.Phonetic].filter(Boolean).join(" = ");
    })
    .join(" \\ ");
}
