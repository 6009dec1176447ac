import tseslint from "typescript-eslint";

/** Only the rules that need types and that Biome cannot check: no promise is left alone by mistake. */
export default [
  { ignores: ["dist/", ".build/", "coverage/", "node_modules/", "data/"] },
  {
    files: ["engine/**/*.ts", "workers/**/*.ts", "bench/**/*.ts", "test/**/*.ts"],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      // `test()` and `describe()` of node:test return promises that the runner itself awaits.
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", name: ["test", "it", "describe", "suite"], package: "node:test" }] },
      ],
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
    },
  },
];
