import { getJson, send } from "../kit/http";
import type { PersonName } from "../kit/format";

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
export const texts = (dataset: Dataset, tag: string): string[] => (dataset[tag]?.Value ?? []).map(String);
export const person = (dataset: Dataset, tag: string) => dataset[tag]?.Value?.[0] as PersonName | undefined;

export interface StudyFilter {
  q?: string;
  name?: string;
  id?: string;
  accession?: string;
  description?: string;
  from?: string;
  to?: string;
  modality?: string;
  sort?: string;
}

export const PAGE = 100;
const COLUMNS = ["00081030", "00080061", "00201206", "00201208", "00080050", "00080090", "00100040", "00100030"];

/** One page of studies, and how many match in all where the server says so. */
export async function findStudies(filter: StudyFilter, offset: number): Promise<{ rows: Dataset[]; total?: number }> {
  const query = new URLSearchParams();
  const search = filter.q?.trim();
  const name = filter.name || (search && !/\d/.test(search) ? search : "");
  const id = filter.id || (search && /\d/.test(search) ? search : "");
  if (name) {
    query.set("PatientName", name.includes("*") ? name : `${name}*`);
    query.set("fuzzymatching", "true");
  }
  if (id) query.set("PatientID", id.includes("*") ? id : `${id}*`);
  if (filter.accession) query.set("AccessionNumber", starred(filter.accession));
  if (filter.description) query.set("StudyDescription", `*${filter.description}*`);
  if (filter.from || filter.to) query.set("StudyDate", `${filter.from ?? ""}-${filter.to ?? ""}`);
  if (filter.modality) query.set("ModalitiesInStudy", filter.modality);
  if (filter.sort) query.set("orderby", filter.sort);
  for (const tag of COLUMNS) query.append("includefield", tag);
  query.set("limit", String(PAGE));
  query.set("offset", String(offset));
  const answer = await send(`/dicom-web/studies?${query}`, { headers: { Accept: JSON_MODEL } });
  const rows = answer.status === 204 ? [] : ((await answer.json()) as Dataset[]);
  const total = answer.headers.get("X-Total-Count");
  return { rows, total: total === null ? undefined : Number(total) };
}

function starred(value: string): string {
  return value.includes("*") ? value : `${value}*`;
}

export const findSeries = (study: string) =>
  getJson<Dataset[]>(`/dicom-web/studies/${study}/series?limit=500&includefield=0008103E&includefield=00201209`, JSON_MODEL);

export const findInstances = (study: string, series: string) =>
  getJson<Dataset[]>(`/dicom-web/studies/${study}/series/${series}/instances?limit=1`, JSON_MODEL);

export const metadataOf = async (study: string, series: string, instance: string) =>
  (await getJson<Dataset[]>(`/dicom-web/studies/${study}/series/${series}/instances/${instance}/metadata`, JSON_MODEL))[0];

export const thumbnailOf = (study: string, series: string) => `/dicom-web/studies/${study}/series/${series}/thumbnail?viewport=96,96`;

export const viewerLink = (study: string) => `/viewer/viewer?StudyInstanceUIDs=${encodeURIComponent(study)}`;
