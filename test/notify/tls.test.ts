import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import type { Answer } from "../../engine/notify/endpoint.js";
import { hasProgram, skipWithout, temporaryDirectory } from "../support/servers.js";

const skip = skipWithout("openssl", hasProgram("openssl", "version"), "install openssl");
const child = fileURLToPath(new URL("./tls-child.js", import.meta.url));

function sendFromChild(url: string, env: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [child, url], { env: { ...process.env, ...env }, timeout: 20_000 }, (error, out) => {
      if (error !== null) reject(error);
      else resolve(JSON.parse(out) as Answer);
    });
  });
}

test("a certificate has to be trusted and to name the host", { skip }, async () => {
  const folder = temporaryDirectory("tls");
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"],
  ]);
  assert.equal(made.status, 0, String(made.stderr));
  let requests = 0;
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
    requests++;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const strange = await sendFromChild(`https://localhost:${port}/`, {});
  assert.ok(!strange.ok && /self-signed/.test(strange.reason), JSON.stringify(strange));
  const misnamed = await sendFromChild(`https://127.0.0.1:${port}/`, { NODE_EXTRA_CA_CERTS: cert });
  assert.ok(!misnamed.ok && /ALTNAME_INVALID/.test(misnamed.reason), JSON.stringify(misnamed));
  assert.equal(requests, 0);
  assert.deepEqual(await sendFromChild(`https://localhost:${port}/`, { NODE_EXTRA_CA_CERTS: cert }), { ok: true });
  assert.equal(requests, 1);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
