import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import fc from "fast-check";
import { HttpEndpoint } from "../../engine/notify/endpoint.js";
import { signature } from "../../engine/notify/signature.js";
import { hasProgram, skipWithout } from "../support/servers.js";
import { documented, documentedCheck } from "./docs.js";
import { Receiver } from "./receiver.js";

const skip = skipWithout("openssl", hasProgram("openssl", "version"), "install openssl");

test("a request passes the check that the documentation gives to receivers, and nothing that was changed does", async () => {
  const isGenuine = await documentedCheck();
  const receiver = await Receiver.start();
  const secret = "sécret with = and , in it";
  const endpoint = new HttpEndpoint({ url: receiver.url, secret, allowPrivate: true, perMinute: 60 });
  const seconds = Math.floor(Date.now() / 1000);
  assert.deepEqual(await endpoint.send({ key: "k", body: '{"meter":"Zähler 1"}', seconds }), { ok: true });
  endpoint.close();
  await receiver.stop();
  const { headers, body } = receiver.received[0]!;
  const header = String(headers["meterstorm-signature"]);
  assert.equal(isGenuine(secret, header, body), true);
  assert.equal(isGenuine(secret, header, `${body} `), false);
  assert.equal(isGenuine("another secret", header, body), false);
  assert.equal(isGenuine(secret, header.replace(/t=\d+/, `t=${seconds + 1}`), body), false);
  assert.equal(isGenuine(secret, header, body, seconds + 3600), false, "an old request that somebody sends again");
  assert.equal(isGenuine(secret, "t=1", body), false);
});

test("a signature is what the documentation's line for a shell prints", { skip }, () => {
  // Letters of any script, but no zero byte, which no variable of a shell can hold.
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((value) => !value.includes("\0"));
  fc.assert(
    fc.property(text, text, fc.integer({ min: 0, max: 2 ** 33 }), (secret, body, seconds) => {
      const env = { PATH: process.env["PATH"], SECRET: secret, BODY: body, T: String(seconds) };
      const run = spawnSync("sh", ["-c", documented("sh")], { env, encoding: "utf8" });
      assert.equal(run.status, 0, run.stderr);
      assert.equal(signature(secret, seconds, body), `t=${seconds},v1=${run.stdout.trim()}`);
    }),
    { numRuns: 30 },
  );
});
