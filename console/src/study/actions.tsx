import { IconDownload, IconEye, IconHistory, IconLink, IconPackageExport, IconPencil, IconSend, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ComponentType, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type StudyShown } from "../api/v1";
import { showBytes } from "../kit/format";
import { say } from "../kit/says";
import { ExportDialog } from "../rights/out/export";
import { ShareDialog } from "../rights/out/share";
import { CorrectDialog } from "./correct";
import { download, openViewer, studyLabel, sum, type Thing, thingOf, zipLink } from "./data";
import { DeleteDialog } from "./delete";
import { History } from "./history";
import { SendDialog } from "./send";

export interface Act {
  name: "open" | "zip" | "send" | "export" | "share" | "correct" | "history" | "delete";
  label: string;
  key: string;
  icon: ComponentType<{ size?: number }>;
  danger?: boolean;
  run: () => void;
}

// Between the beginnings of two downloads: browsers drop the first when the second begins at once.
const APART_MS = 800;

/** What somebody may do: the actions of their roles. */
export function useMay(): (action: string) => boolean {
  const me = useQuery({ queryKey: ["me"], queryFn: () => api.me.show() });
  return (action) => me.data?.may.includes(action) ?? false;
}

type Open = { name: "send" | "delete" | "export" | "share"; things: Thing[] } | { name: "correct"; study: StudyShown } | { name: "history"; targets: string[] };

/** The actions on studies and what is in them, and the dialog that is open. */
export function useActions(onDeleted?: () => void): {
  ofStudies: (studies: StudyShown[], patientTarget?: string) => Act[];
  ofThing: (thing: Thing) => Act[];
  dialog: ReactNode;
} {
  const { t } = useTranslation();
  const may = useMay();
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const common = (things: Thing[]): Act[] => {
    const size = showBytes(sum(things, "bytes"));
    const one = things.length === 1 ? things[0] : undefined;
    const get = () => {
      things.forEach((thing, place) => window.setTimeout(() => download(zipLink(thing)), place * APART_MS));
      if (!one) say(t("get.started", { count: things.length }));
    };
    return [
      ...(may("view") ? [{ name: "zip" as const, label: one ? t("get.zip", { size }) : t("get.many", { count: things.length, size }), key: "d", icon: IconDownload, run: get }] : []),
      ...(may("export") ? [{ name: "send" as const, label: t("send.title"), key: "s", icon: IconSend, run: () => setOpen({ name: "send", things }) }] : []),
      ...(may("export") ? [{ name: "export" as const, label: t("export.title"), key: "e", icon: IconPackageExport, run: () => setOpen({ name: "export", things }) }] : []),
    ];
  };
  const remove = (things: Thing[]): Act[] =>
    may("delete") ? [{ name: "delete", label: t("delete.title"), key: "Delete", icon: IconTrash, danger: true, run: () => setOpen({ name: "delete", things }) }] : [];
  const ofStudies = (studies: StudyShown[], patientTarget?: string): Act[] => {
    if (studies.length === 0) return [];
    const things = studies.map((study) => thingOf(study, studyLabel(study, t("study.reasonless"))));
    const one = studies.length === 1 ? studies[0] : undefined;
    const targets = one ? [`study:${one.uid}`, ...(patientTarget ? [patientTarget] : [])] : [];
    return [
      { name: "open", label: t("study.open"), key: "o", icon: IconEye, run: () => openViewer(...studies.map((study) => study.uid)) },
      ...common(things),
      ...(may("share") ? [{ name: "share" as const, label: t("share.title"), key: "l", icon: IconLink, run: () => setOpen({ name: "share", things }) }] : []),
      ...(one && may("edit") ? [{ name: "correct" as const, label: t("correct.title"), key: "c", icon: IconPencil, run: () => setOpen({ name: "correct", study: one }) }] : []),
      ...(one && ["edit", "merge", "administer"].some(may) ? [{ name: "history" as const, label: t("history.title"), key: "h", icon: IconHistory, run: () => setOpen({ name: "history", targets }) }] : []),
      ...remove(things),
    ];
  };
  const ofThing = (thing: Thing) => [...common([thing]), ...remove([thing])];
  const dialog = (
    <>
      {open?.name === "send" && <SendDialog things={open.things} onClose={close} />}
      {open?.name === "export" && <ExportDialog things={open.things} onClose={close} />}
      {open?.name === "share" && <ShareDialog things={open.things} onClose={close} />}
      {open?.name === "delete" && <DeleteDialog things={open.things} onClose={close} onDone={onDeleted} />}
      {open?.name === "correct" && <CorrectDialog study={open.study} onClose={close} />}
      {open?.name === "history" && <History targets={open.targets} onClose={close} />}
    </>
  );
  return { ofStudies, ofThing, dialog };
}
