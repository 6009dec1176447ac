/**
 * Who may import whom. The direction is base ← memory ← the parts of the engine ← engine.ts ← main.ts;
 * a shard's thread sees only base, memory and the store's interface; kernels see base alone.
 */

/** Packages that exactly one file knows, so that each can be replaced in one place. */
const KNOWN_BY_ONE = [
  ["uwebsockets", "uWebSockets\\.js", "^engine/intake/server\\.ts$"],
  ["piscina", "piscina", "^engine/shards/pool\\.ts$"],
  ["ioredis", "ioredis", "^engine/cluster/redis\\.ts$"],
  ["duckdb", "@duckdb/node-api", "^engine/store/duckdb\\.ts$"],
  ["questdb-client", "@questdb/nodejs-client", "^engine/store/questdb-client\\.ts$"],
];

/** A folder that may import only what matches one of `to` (paths), and node's own modules where `core` says so. */
function onlyTo(name, comment, from, to) {
  return {
    name,
    comment,
    severity: "error",
    from: { path: from },
    to: { pathNot: to, dependencyTypesNot: ["core"] },
  };
}

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "resolves", comment: "every import leads somewhere", severity: "error", from: {}, to: { couldNotResolve: true } },
    onlyTo("base-alone", "base imports base", "^engine/base/", ["^engine/base/"]),
    onlyTo("memory-on-base", "memory imports base", "^engine/memory/", ["^engine/(base|memory)/"]),
    onlyTo("kernels-on-base", "kernels are pure: they import base and one another", "^workers/kernels/", [
      "^engine/base/",
      "^workers/kernels/",
    ]),
    {
      name: "kernels-do-no-io",
      comment: "a kernel touches neither disk nor network nor clock",
      severity: "error",
      from: { path: "^workers/kernels/" },
      to: { dependencyTypes: ["core"] },
    },
    onlyTo(
      "workers-see-little",
      "a shard's thread imports workers, base, memory, the store's interface and schema, and the tasks that the pool starts",
      "^workers/(?!sinks/|duckdb-thread\\.ts$)",
      [
        "^workers/",
        "^engine/(base|memory)/",
        "^engine/store/(interface|schema)\\.ts$",
        "^engine/shards/(tasks|move-task)\\.ts$",
        "^node_modules/",
      ],
    ),
    onlyTo(
      "sinks-speak-a-store",
      "a sink and the embedded store's thread share the store's dialect with its reads, and see no more of the engine",
      "^workers/(sinks/|duckdb-thread\\.ts$)",
      ["^workers/", "^engine/(base|memory|store)/", "^engine/shards/(tasks|move-task)\\.ts$", "^node_modules/"],
    ),
    {
      name: "engine-not-workers",
      comment: "the two sides meet in base and memory alone; the pool names a worker's file by its URL",
      severity: "error",
      from: { path: "^engine/" },
      to: { path: "^workers/" },
    },
    {
      name: "main-is-the-top",
      comment: "nobody imports the commands' entry",
      severity: "error",
      from: { path: "^(engine|workers|bench|test)/" },
      to: { path: "^engine/main\\.ts$" },
    },
    {
      name: "engine-is-composed-once",
      comment: "the composition root is for main, commands, the demo, tests and benches",
      severity: "error",
      from: { path: "^(engine|workers)/", pathNot: "^engine/(main\\.ts$|commands/|demo/)" },
      to: { path: "^engine/engine\\.ts$" },
    },
    {
      name: "sources-not-tests",
      comment: "what ships does not import tests or benches",
      severity: "error",
      from: { path: "^(engine|workers)/" },
      to: { path: "^(test|bench)/" },
    },
    {
      name: "packages-are-declared",
      comment: "every imported package stands in package.json",
      severity: "error",
      from: {},
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "what-ships-needs-no-dev-package",
      severity: "error",
      from: { path: "^(engine|workers)/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    ...KNOWN_BY_ONE.map(([name, folder, owner]) => ({
      name: `${name}-in-one-file`,
      severity: "error",
      from: { path: "^(engine|workers)/", pathNot: owner },
      to: { path: `^node_modules/${folder}/`, dependencyTypesNot: ["type-only"] },
    })),
  ],
  options: {
    doNotFollow: { path: "^node_modules/" },
    exclude: { path: "^(dist|\\.build|coverage)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
