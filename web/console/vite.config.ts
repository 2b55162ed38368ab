import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

export default defineConfig(({ mode }) => ({
  plugins: [react()],
  build: {
    outDir: "../../build/console",
    emptyOutDir: true,
    // The server's policy allows fonts and scripts from its own origin only, not from data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  // `npm run dev` talks to a running server, by default the one of `make run`.
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: loadEnv(mode, ".", "POSTHORN_")["POSTHORN_API"] ?? "http://127.0.0.1:2080" } },
  },
}));
