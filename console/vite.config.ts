import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Served by Filmroom at /console/; in development the running server answers everything else.
export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: { target: "es2022", sourcemap: false, chunkSizeWarningLimit: 1200 },
  server: { proxy: Object.fromEntries(["/api", "/dicom-web", "/login", "/logout", "/viewer"].map((path) => [path, "http://127.0.0.1:8080"])) },
});
