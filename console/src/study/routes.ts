import { type AnyRootRoute, createRoute, lazyRouteComponent } from "@tanstack/react-router";

const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) || undefined : undefined);
const kept = <Key extends string>(...keys: Key[]) => (search: Record<string, unknown>) =>
  Object.fromEntries(keys.map((key) => [key, text(search[key])])) as { [each in Key]?: string };

/** The rooms of studies, patients and the schedule; each is loaded when it is first opened. */
export const studyRoutes = <Root extends AnyRootRoute>(root: Root) =>
  [
    createRoute({
      getParentRoute: () => root, path: "/studies", component: lazyRouteComponent(() => import("./studies"), "Studies"),
      validateSearch: kept("q", "name", "id", "issuer", "accession", "description", "from", "to", "modality", "sort", "study"),
    }),
    createRoute({ getParentRoute: () => root, path: "/studies/$uid", component: lazyRouteComponent(() => import("./page"), "StudyPage") }),
    createRoute({
      getParentRoute: () => root, path: "/patients", component: lazyRouteComponent(() => import("./patients"), "Patients"),
      validateSearch: kept("q", "sort", "patient", "issuer"),
    }),
    createRoute({
      getParentRoute: () => root, path: "/schedule", component: lazyRouteComponent(() => import("./schedule"), "Schedule"),
      validateSearch: kept("from", "to", "modality", "status", "station", "id", "accession", "step"),
    }),
  ] as const;
