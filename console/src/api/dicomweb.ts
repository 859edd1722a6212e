import { getJson } from "../kit/http";

/** An attribute of the DICOM JSON model (PS3.18 F.2). */
export interface Attribute {
  vr: string;
  Value?: unknown[];
  BulkDataURI?: string;
  InlineBinary?: string;
}
export type Dataset = Record<string, Attribute>;

const JSON_MODEL = "application/dicom+json";

export const text = (dataset: Dataset, tag: string): string => {
  const value = dataset[tag]?.Value?.[0];
  return value === undefined || value === null || typeof value === "object" ? "" : String(value);
};

/** Images of a series in their order. */
export const findInstances = (study: string, series: string, limit: number, offset: number) =>
  getJson<Dataset[]>(`/dicom-web/studies/${study}/series/${series}/instances?limit=${limit}&offset=${offset}`, JSON_MODEL);

export const metadataOf = async (study: string, series: string, instance: string) =>
  (await getJson<Dataset[]>(`/dicom-web/studies/${study}/series/${series}/instances/${instance}/metadata`, JSON_MODEL))[0];
