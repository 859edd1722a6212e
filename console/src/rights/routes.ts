import { type AnyRootRoute, createRoute, lazyRouteComponent } from "@tanstack/react-router";

/** The rooms of rights: who may what, who did what, what left the house; each is loaded when it is first opened. */
export const rightsRoutes = <Root extends AnyRootRoute>(root: Root) =>
  [
    createRoute({ getParentRoute: () => root, path: "/audit", component: lazyRouteComponent(() => import("./audit/search"), "Search") }),
    createRoute({ getParentRoute: () => root, path: "/audit/patient", component: lazyRouteComponent(() => import("./audit/patient"), "WhoSaw") }),
    createRoute({ getParentRoute: () => root, path: "/audit/alerts", component: lazyRouteComponent(() => import("./audit/search"), "Alerts") }),
    createRoute({ getParentRoute: () => root, path: "/audit/trail", component: lazyRouteComponent(() => import("./audit/trail"), "Trail") }),
    createRoute({ getParentRoute: () => root, path: "/users/roles", component: lazyRouteComponent(() => import("./roles/roles"), "Roles") }),
    createRoute({ getParentRoute: () => root, path: "/users/given", component: lazyRouteComponent(() => import("./roles/given"), "Given") }),
    createRoute({ getParentRoute: () => root, path: "/users/sessions", component: lazyRouteComponent(() => import("./sessions"), "AllSessions") }),
    createRoute({ getParentRoute: () => root, path: "/users/protected", component: lazyRouteComponent(() => import("./protected"), "Protected") }),
    createRoute({ getParentRoute: () => root, path: "/users/glass", component: lazyRouteComponent(() => import("./protected"), "BrokenGlass") }),
    createRoute({ getParentRoute: () => root, path: "/agree", component: lazyRouteComponent(() => import("./second"), "Second") }),
    createRoute({ getParentRoute: () => root, path: "/shares", component: lazyRouteComponent(() => import("./out/links"), "Links") }),
    createRoute({ getParentRoute: () => root, path: "/exports", component: lazyRouteComponent(() => import("./out/exports"), "Exports") }),
    createRoute({ getParentRoute: () => root, path: "/exports/projects", component: lazyRouteComponent(() => import("./out/projects"), "Projects") }),
  ] as const;
