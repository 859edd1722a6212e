import "@mantine/core/styles.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { adminRoutes } from "./admin/routes";
import { Shell } from "./kit/shell";
import { theme, variables } from "./kit/theme";
import { loadWords } from "./kit/words";
import { rightsRoutes } from "./rights/routes";
import { studyRoutes } from "./study/routes";

const root = createRootRoute({ component: Shell });
const home = createRoute({ getParentRoute: () => root, path: "/" });

const router = createRouter({
  routeTree: root.addChildren([home, ...studyRoutes(root), ...adminRoutes(root), ...rightsRoutes(root)]),
  basepath: "/console",
  // Filters stay readable in the address: plain strings, not JSON.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: (search) => {
    const kept = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    const query = new URLSearchParams(kept.map(([key, value]) => [key, String(value)]));
    return kept.length > 0 ? `?${query}` : "";
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

const queries = new QueryClient({ defaultOptions: { queries: { staleTime: 10_000, refetchOnWindowFocus: true, retry: 1 } } });

await loadWords();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="dark">
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
