import { api, type DeliveryAnswer, type PatientShown, type SeriesShown, type StudyShown } from "../api/v1";
import { harmless, type PersonName, showAge, showDate, showName, showSex } from "../kit/format";
import type { Language } from "../kit/words";

export interface StudyFilter {
  q?: string;
  name?: string;
  id?: string;
  issuer?: string;
  accession?: string;
  description?: string;
  from?: string;
  to?: string;
  /** Several with commas. */
  modality?: string;
  sort?: string;
}

export interface StudySearch extends StudyFilter {
  study?: string;
}

export const PAGE = 100;
/** Facts after which a list of studies may look otherwise. */
export const STUDY_FACTS = ["InstancesStored", "InstancesDeleted", "InstancesRestored", "AttributesCorrected", "InstancesCompressed"] as const;

type Sort = NonNullable<NonNullable<Parameters<typeof api.studies.list>[0]>["query"]>["sort"];

export const findStudies = (filter: StudyFilter, after: string) =>
  api.studies.list({
    query: {
      q: filter.q,
      name: filter.name,
      id: filter.id,
      issuer: filter.issuer,
      accession: filter.accession,
      description: filter.description,
      first_day: filter.from,
      last_day: filter.to,
      modality: filter.modality?.split(",").filter(Boolean),
      sort: filter.sort as Sort,
      after: after || undefined,
      limit: PAGE,
      count: after === "" ? true : undefined,
    },
  });

/** A name of the API as the name of DICOM JSON. */
export const nameOf = (name: PatientShown["name"]): PersonName => ({ Alphabetic: name.alphabetic, Ideographic: name.ideographic, Phonetic: name.phonetic });

/** What one action is about: a study, a series or an image of it, or several studies. */
export interface Thing {
  study: string;
  series?: string;
  instance?: string;
  label: string;
  images: number;
  bytes: number;
}

export const thingOf = (study: StudyShown, label: string): Thing => ({ study: study.uid, label, images: study.images, bytes: study.size_bytes });
export const seriesThing = (study: string, series: SeriesShown, label: string): Thing => ({ study, series: series.uid, label, images: series.images, bytes: series.size_bytes });
export const sum = (things: Thing[], key: "images" | "bytes") => things.reduce((all, each) => all + each[key], 0);

const root = (thing: { study: string; series?: string; instance?: string }) =>
  `/dicom-web/studies/${thing.study}${thing.series ? `/series/${thing.series}` : ""}${thing.instance ? `/instances/${thing.instance}` : ""}`;

export const zipLink = (thing: Thing) => `${root(thing)}?accept=application/zip`;
export const viewerLink = (...studies: string[]) => `/viewer/viewer?StudyInstanceUIDs=${encodeURIComponent(studies.join(","))}`;
export const thumbnailOf = (study: string, series: string, instance?: string) => `${root({ study, series, instance })}/thumbnail?viewport=96,96`;

/** Let the browser keep a file, without leaving the page. */
export function download(link: string): void {
  const anchor = document.createElement("a");
  anchor.href = link;
  anchor.download = "";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

export const openViewer = (...studies: string[]) => void window.open(viewerLink(...studies), "_blank", "noopener");

/** Sex, age on the day and date of birth in one line. */
export function personLine(patient: PatientShown, day: string, language: Language, born: string): string {
  const parts = [showSex(patient.sex, language), showAge(patient.birth_date, day, language), patient.birth_date && `${born} ${showDate(patient.birth_date)}`];
  return parts.filter(Boolean).join(" · ");
}

/** How a study is called in a sentence: patient, description, day. */
export function studyLabel(study: StudyShown, unnamed: string): string {
  return [showName(nameOf(study.patient.name)).main || study.patient.id, harmless(study.description) || unnamed, showDate(study.date)].filter(Boolean).join(" · ");
}

export const deliveryEnded = (delivery: DeliveryAnswer | undefined) => delivery !== undefined && delivery.finished_at !== null;
