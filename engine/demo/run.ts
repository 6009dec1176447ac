import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { messageOf } from "../base/errors.js";
import { runDemo } from "./demo.js";

/** `make run`: the demo until it is interrupted, on data of its own that go with it. PORT moves it. */
async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "meterstorm-demo-"));
  process.on("exit", () => rmSync(dataDir, { recursive: true, force: true }));
  const demo = await runDemo({
    dataDir,
    port: Number(process.env["PORT"] ?? 8080),
    log: pino({ level: "warn" }, pino.destination(2)),
    print: (line) => console.log(line),
  });
  let ending = false;
  const end = (status: number): void => {
    if (ending) return;
    ending = true;
    demo.close().then(
      () => process.exit(status),
      (error: unknown) => {
        console.error(messageOf(error));
        process.exit(1);
      },
    );
  };
  process.on("SIGINT", () => end(0));
  process.on("SIGTERM", () => end(0));
  demo.finished.then(
    () => {
      if (!ending) console.log("The recorded series have been sent to their end. The engine goes on answering; Ctrl+C ends it.");
    },
    (error: unknown) => {
      if (ending) return;
      console.error(messageOf(error));
      end(1);
    },
  );
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exit(1);
});
