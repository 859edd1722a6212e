import { type AnyRootRoute, createRoute, lazyRouteComponent } from "@tanstack/react-router";

/** The administration rooms; each is loaded when it is first opened. */
export const adminRoutes = <Root extends AnyRootRoute>(root: Root) =>
  [
    createRoute({ getParentRoute: () => root, path: "/devices", component: lazyRouteComponent(() => import("./devices/devices"), "Devices") }),
    createRoute({ getParentRoute: () => root, path: "/devices/pending", component: lazyRouteComponent(() => import("./devices/pending"), "Pending") }),
    createRoute({ getParentRoute: () => root, path: "/devices/associations", component: lazyRouteComponent(() => import("./devices/associations"), "Associations") }),
    createRoute({ getParentRoute: () => root, path: "/devices/recorder", component: lazyRouteComponent(() => import("./devices/recorder"), "Recorder") }),
    createRoute({ getParentRoute: () => root, path: "/devices/worklist", component: lazyRouteComponent(() => import("./devices/worklist"), "WorklistQueries") }),
    createRoute({ getParentRoute: () => root, path: "/devices/local", component: lazyRouteComponent(() => import("./devices/locals"), "Locals") }),
    createRoute({ getParentRoute: () => root, path: "/quarantine", component: lazyRouteComponent(() => import("./quarantine"), "Quarantine") }),
    createRoute({ getParentRoute: () => root, path: "/queues", component: lazyRouteComponent(() => import("./queues/deliveries"), "Deliveries") }),
    createRoute({ getParentRoute: () => root, path: "/queues/destinations", component: lazyRouteComponent(() => import("./queues/destinations"), "Destinations") }),
    createRoute({ getParentRoute: () => root, path: "/queues/jobs", component: lazyRouteComponent(() => import("./queues/jobs"), "Jobs") }),
    createRoute({ getParentRoute: () => root, path: "/rules", component: lazyRouteComponent(() => import("./rules/rules"), "Rules") }),
    createRoute({ getParentRoute: () => root, path: "/rules/storing", component: lazyRouteComponent(() => import("./rules/storing"), "Storing") }),
    createRoute({ getParentRoute: () => root, path: "/rules/forward", component: lazyRouteComponent(() => import("./rules/forwarding"), "Forwarding") }),
    createRoute({ getParentRoute: () => root, path: "/webhooks", component: lazyRouteComponent(() => import("./webhooks"), "Webhooks") }),
    createRoute({ getParentRoute: () => root, path: "/users", component: lazyRouteComponent(() => import("./people/users"), "Users") }),
    createRoute({ getParentRoute: () => root, path: "/account", component: lazyRouteComponent(() => import("./people/account"), "Account") }),
  ] as const;
